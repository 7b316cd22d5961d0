//! CPU: what a call may use, and whose account it goes to.

use wasmtime::{Trap, UpdateDeadline};

use super::Vm;
use crate::engine::Metering;
use crate::limits::FUEL_PER_NANOSECOND;
use crate::state::{Place, State};
use crate::trace::TraceLevel;

impl Vm {
    /// Sets the budget of a call.
    #[inline]
    pub(super) fn grant(&mut self, place: Place) {
        match self.metering {
            Metering::None => {}
            Metering::Fuel => {
                let own = matches!(place, Place::Stream(slot) if self.account == Some(slot));
                if !own {
                    self.fill(place);
                } else if self.is_told() {
                    // What earlier calls burnt untold is not this one's.
                    self.book(place);
                }
            }
            Metering::Epoch => {
                let state = self.store.data_mut();
                let budget = state.budget(place);
                state.meter.reset_cpu(budget);
                self.store.set_epoch_deadline(1);
            }
        }
    }

    /// Puts what a call burnt to its stream's account, and says how much it is if the trace tells.
    #[inline]
    pub(super) fn charge(&mut self, place: Place) -> u64 {
        match self.metering {
            Metering::None => 0,
            Metering::Fuel => {
                // While the store's fuel is a stream's own, it need not be read after each call.
                if self.account.is_some() && !self.is_told() {
                    return 0;
                }
                self.book(place)
            }
            Metering::Epoch => {
                let state = self.store.data_mut();
                let fuel = state.meter.cpu_used * FUEL_PER_NANOSECOND;
                state.burn(place, fuel);
                fuel
            }
        }
    }

    /// Whether the trace says what each call burns.
    #[inline]
    fn is_told(&self) -> bool {
        self.store.data().trace.level >= TraceLevel::Cost
    }

    /// Gives the store the fuel that a call may burn.
    #[inline(never)]
    fn fill(&mut self, place: Place) {
        if let Some(slot) = self.account.take() {
            self.book(Place::Stream(slot));
        }
        let state = self.store.data_mut();
        let budget = state.budget(place);
        match (&mut state.recorder, place) {
            (Some(recorder), _) => recorder.begin(budget),
            // Where the whole request's limit is the nearer one, what a callback leaves is what the
            // stream's next one gets.
            (None, Place::Stream(slot)) if state.limits.is_per_request() => {
                self.account = Some(slot);
            }
            (None, _) => {}
        }
        // Only fails for an engine that meters none.
        let _ = self.store.set_fuel(budget);
        self.filled = budget;
    }

    /// Reads what was burnt since the store's fuel was last set or read.
    #[inline(never)]
    fn book(&mut self, place: Place) -> u64 {
        let left = self.store.get_fuel().unwrap_or(0);
        let fuel = self.filled.saturating_sub(left);
        self.filled = left;
        let state = self.store.data_mut();
        if let Some(recorder) = &mut state.recorder {
            recorder.end(left);
        }
        state.burn(place, fuel);
        fuel
    }
}

/// An epoch ended while a guest runs: it goes on until its budget is really spent.
///
/// Only the thread's own CPU clock tells a guest that computes from one that waits for a busy
/// machine. Reading it costs most of a microsecond, so it is read at the end of an epoch only and
/// never for the many invocations that are over before one ends. What an invocation used before its
/// first epoch ended is not held against it.
pub(super) fn epoch_ended(state: &mut State) -> wasmtime::Result<UpdateDeadline> {
    let now = state.door.cpu();
    let from = *state.meter.cpu_from.get_or_insert(now);
    state.meter.cpu_used = now.saturating_sub(from);
    if state.meter.cpu_used * FUEL_PER_NANOSECOND >= state.meter.budget {
        return Err(wasmtime::Error::new(Trap::Interrupt));
    }
    Ok(UpdateDeadline::Continue(1))
}
