//! Any bytes as manifests: checked in both profiles, mended, rendered and described.

#![no_main]

use gatewright_gke::{
    Cloud, DescribeOptions, Era, ExportOptions, Input, Options, Profile, check, describe, export,
    fix, render,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let input = Input {
        name: "fuzz.yaml",
        bytes,
    };
    let describing = DescribeOptions {
        era: Era::August2025,
        time: "2025-08-08T20:16:13Z",
        reconciled: true,
        cloud: Cloud::default(),
    };
    for profile in Profile::ALL {
        let options = Options {
            profile,
            ..Options::default()
        };
        let report = check(&[input], &options);
        for finding in &report.findings {
            if let Some(place) = finding.place {
                let text = &report.files[place.file].text;
                assert!(place.span.start as usize <= text.len(), "{finding:?}");
            }
        }
        let _ = render::human(&report);
        let _ = render::sarif(&report);
        for object in &report.objects {
            let id = &object.id;
            let _ = describe(&report, &id.kind, &id.namespace, &id.name, &describing);
        }
        let exporting = ExportOptions {
            project: "p",
            region: "r",
            forwarding_rule: None,
        };
        let _ = export(&report, &exporting).terraform();
        let (files, _) = fix(&[input], &options);
        for file in files {
            assert_ne!(file.before, file.after);
        }
    }
});
