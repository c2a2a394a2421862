//! Generated texts, judged by the programs that read them.

use integration_tests::program::{checkout, run};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments).expect("bootwright starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn completions_are_scripts_of_their_shell() {
    let scratch = Scratch::new("completions");
    for (shell, parse) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("bootwright") && script.contains("inspect"), "{shell}");
        let path = scratch.path().join(shell);
        std::fs::write(&path, script).expect("the scratch folder is writable");
        witness(shell, &[parse, path.to_str().expect("a plain path")]);
    }
}

#[test]
fn bash_completes_verbs_flags_and_values() {
    let scratch = Scratch::new("bash-completion");
    let path = scratch.path().join("bootwright");
    std::fs::write(&path, printed(&["completions", "bash"])).expect("the scratch folder is writable");
    let complete = |words: &str| {
        let script = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _bootwright bootwright \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
            path.display()
        );
        witness("bash", &["-c", &script]).trim().to_owned()
    };
    assert_eq!(complete("bootwright insp"), "inspect");
    assert_eq!(complete("bootwright test --jun"), "--junit");
    assert_eq!(complete("bootwright boot --firmware s"), "secure");
}

#[test]
fn fish_completes_verbs_flags_and_values() {
    let scratch = Scratch::new("fish-completion");
    let path = scratch.path().join("bootwright.fish");
    std::fs::write(&path, printed(&["completions", "fish"])).expect("the scratch folder is writable");
    let complete = |words: &str| {
        let script = format!("source '{}'; complete --do-complete '{words}'", path.display());
        let said = witness("fish", &["--no-config", "-c", &script]);
        let candidates: Vec<&str> = said.lines().filter_map(|line| line.split('\t').next()).collect();
        candidates.join(" ")
    };
    assert_eq!(complete("bootwright insp"), "inspect");
    assert_eq!(complete("bootwright test --jun"), "--junit");
    assert_eq!(complete("bootwright boot --firmware s"), "secure");
}

#[test]
fn every_verb_has_a_manual_page_without_faults() {
    let scratch = Scratch::new("man");
    let folder = scratch.path().join("man1");
    let listed = printed(&["man", folder.to_str().expect("a plain path")]);
    let pages: Vec<&str> = listed.lines().collect();
    let help = printed(&["--help"]);
    for verb in ["check", "plan", "build", "boot", "test", "inspect", "schema", "completions", "man"] {
        assert!(help.contains(&format!("\n  {verb} ")), "--help names {verb}");
        assert!(
            pages.iter().any(|page| page.ends_with(&format!("/bootwright-{verb}.1"))),
            "{verb} in {listed}"
        );
    }
    for page in pages {
        // Both say nothing of a page that is well.
        let groff = witness("groff", &["-man", "-Tutf8", "-ww", "-z", page]);
        assert!(groff.trim().is_empty(), "{page}: {groff}");
        let text = witness("man", &["--warnings", "-l", page]);
        assert!(text.contains("SYNOPSIS") && !text.contains("warning"), "{page}: {text}");
    }
    assert_eq!(printed(&["man"]), std::fs::read_to_string(folder.join("bootwright.1")).expect("a page"));
}

#[test]
fn the_schema_is_json_and_says_what_keys_are_for() {
    let schema: serde_json::Value = serde_json::from_str(&printed(&["schema"])).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["packages"]["description"].is_string());
    let fragment: serde_json::Value =
        serde_json::from_str(&printed(&["schema", "--fragment"])).expect("JSON");
    assert!(fragment.get("if").is_none() && schema.get("if").is_some());
}

#[test]
fn the_reference_is_what_is_committed() {
    let committed = std::fs::read_to_string(checkout().join("docs/recipe.md")).expect("docs/recipe.md");
    assert_eq!(printed(&["schema", "--markdown"]), committed, "run scripts/generate-docs");
}
