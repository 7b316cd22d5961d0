//! How each side grows: CPU for a request with more workers, connections, chains and routes.

use gatewright_tests::measured::median;

use crate::load::Load;
use crate::rows::{fill_cache, round};
use crate::setup::Setup;
use crate::side::Side;
use crate::upstream::Upstream;
use crate::{figure, say};

/// A series: the same with more and more of something.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) points: Vec<Point>,
}

/// How many, and the median of microseconds of CPU for a request: ours, and Envoy's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) count: usize,
    pub(crate) cpu: [f64; 2],
}

impl Series {
    /// CPU at the last point over that at the first, on one side.
    pub(crate) fn growth(&self, side: Side) -> f64 {
        match &self.points[..] {
            [first, .., last] => last.cpu[side as usize] / first.cpu[side as usize],
            _ => f64::NAN,
        }
    }
}

/// One point of a series: what is served, and how.
struct Step {
    count: usize,
    setup: Setup,
    workers: usize,
    load: Load,
}

pub(crate) fn measure(
    upstream: &Upstream,
    load: &Load,
    rounds: usize,
) -> Result<Vec<Series>, String> {
    let setup = || Setup::rewriting("growth", "header-rewrite to an upstream", upstream);
    let step = |count, setup| Step {
        count,
        setup,
        workers: 1,
        load: *load,
    };
    let series = [
        (
            "grow-workers",
            "workers",
            [1, 2]
                .map(|workers| Step {
                    workers,
                    ..step(workers, setup())
                })
                .into_iter()
                .collect::<Vec<_>>(),
        ),
        (
            "grow-connections",
            "connections",
            [10, 100, 1000]
                .map(|connections| Step {
                    load: Load {
                        connections,
                        ..*load
                    },
                    ..step(connections as usize, setup())
                })
                .into_iter()
                .collect(),
        ),
        (
            "grow-chains",
            "chains",
            [1, 3, 5]
                .map(|chains| {
                    let setup = Setup {
                        chains_before: chains - 1,
                        ..setup()
                    };
                    step(chains, setup)
                })
                .into_iter()
                .collect(),
        ),
        (
            "grow-routes",
            "routes",
            [100, 1000, 10_000]
                .map(|routes| step(routes, Setup { routes, ..setup() }))
                .into_iter()
                .collect(),
        ),
    ];
    series
        .into_iter()
        .map(|(id, what, steps)| {
            say(&format!("{what}: {rounds} rounds"));
            let points = points(&steps, rounds)?;
            Ok(Series { id, what, points })
        })
        .collect()
}

fn points(steps: &[Step], rounds: usize) -> Result<Vec<Point>, String> {
    steps.iter().try_for_each(|step| fill_cache(&step.setup))?;
    // All points of a round lie close together in time, since they are what is compared.
    let mut measured = vec![[const { Vec::new() }; 2]; steps.len()];
    for _ in 0..rounds {
        for (step, values) in steps.iter().zip(&mut measured) {
            for side in Side::BOTH {
                let round = round(&step.setup, side, step.workers, &step.load)?;
                values[side as usize].push(round.cpu);
            }
        }
    }
    let points = steps.iter().zip(measured).map(|(step, values)| Point {
        count: step.count,
        cpu: values.map(median),
    });
    Ok(points.collect())
}

/// The figures: ours, which have bounds.
pub(crate) fn figures(series: &[Series]) {
    for (id, bound) in [
        ("grow-workers", 1.1),
        ("grow-connections", 1.2),
        ("grow-routes", 1.1),
    ] {
        if let Some(one) = series.iter().find(|one| one.id == id) {
            figure(id, one.growth(Side::Ours), false, bound);
        }
    }
}
