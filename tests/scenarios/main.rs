//! Scenarios that cross crates, in one binary so that linking happens once.

mod crashers;
mod document;
mod stores;
mod vectors;

/// A scenario file that is not listed above would compile nowhere and pass for ever.
#[test]
fn every_file_of_scenarios_is_a_module_of_this_binary() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let main = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let listed = main.lines().any(|line| line == format!("mod {name};"));
        assert!(
            name == "main" || listed,
            "scenarios/{name}.rs is not listed in main.rs"
        );
    }
}
