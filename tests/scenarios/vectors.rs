use std::path::Path;
use std::thread;

use uxf_tests::conformance;

fn run(directory: &str) -> Option<conformance::Report> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    // Vectors nest a hundred tokens, and the independent JSON reader recurses.
    let run = thread::Builder::new().stack_size(64 << 20);
    let run = run.spawn(move || conformance::run(&directory)).ok()?;
    run.join().ok()
}

#[test]
fn every_golden_vector_holds() {
    let report = run("vectors").unwrap();
    assert!(report.is_success(), "{report}");
    assert!(
        report.passed() > 10_000,
        "too little was checked:\n{report}"
    );
    assert!(report.uncovered().is_empty(), "{report}");
}

#[test]
fn a_directory_of_which_nothing_is_known_is_no_success() {
    let report = run("fixtures").unwrap();
    assert!(!report.is_success(), "{report}");
    assert_eq!(report.passed(), 0);
}

/// The judge itself has to be able to say no.
#[test]
fn a_vector_that_is_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/uxf");
    for name in ["tokens", "expect"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let token = std::fs::read(vectors.join("tokens/mock-a.json")).unwrap();
    std::fs::write(folder.path().join("tokens/mock-a.json"), token).unwrap();
    let expected = std::fs::read_to_string(vectors.join("expect/mock-a.json")).unwrap();
    let wrong = expected.replacen("\"rootHash\":\"", "\"rootHash\":\"0", 1);
    assert_ne!(wrong, expected);
    std::fs::write(folder.path().join("expect/mock-a.json"), wrong).unwrap();
    let report = conformance::run(folder.path());
    assert_eq!(report.failed(), 1, "{report}");
    assert!(
        report.to_string().contains("expect/mock-a.json : rootHash"),
        "{report}"
    );
}

#[test]
fn a_vector_of_the_profile_that_is_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/profile");
    // One check of each kind: a name, a key, a refusal, a winner, a merged list, a merged entry; then of a wallet.
    let wrong = [
        (
            "address-id.json",
            "DIRECT_0d5508_b1bbbf\"",
            "DIRECT_0d5508_b1bbbe\"",
        ),
        ("key-derivation.json", "92705fd8", "92705fd9"),
        (
            "lamport.json",
            "LAMPORT_BOUND_VIOLATION",
            "VALIDATION_ERROR",
        ),
        (
            "orbitdb-lww.json",
            "\"winner\": \"e2\"",
            "\"winner\": \"e1\"",
        ),
        ("outbox-state-machine.json", "override-required", "ok"),
        (
            "audit-promoted-from.json",
            "\"merged\": []",
            "\"merged\": [\"x\"]",
        ),
        ("consolidation.json", "1700605800", "1700605801"),
        ("disposition.json", ".audit.8a0c", ".audit.8A0C"),
        ("import-results.json", "\"duplicate\"", "\"added\""),
        (
            "local-snapshot-blob.json",
            "walletId-mismatch",
            "shape-invalid",
        ),
        ("manifest-derivation.json", "\"conflicting\"", "\"valid\""),
        ("outbox-legacy-migration.json", "txf-tok3", "txf-tok4"),
        ("profile-snapshots.json", "bafyrei", "bafyref"),
        ("storage-mode.json", "\"notices\": 1", "\"notices\": 2"),
    ];
    for (file, from, to) in wrong {
        let text = std::fs::read_to_string(vectors.join(file)).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{file}");
        std::fs::write(folder.path().join(file), changed).unwrap();
    }
    let report = conformance::run(folder.path());
    for (file, _, _) in wrong {
        assert!(
            report
                .to_string()
                .contains(&format!("FAILED profile/{file}")),
            "{file}: {report}"
        );
    }
}
