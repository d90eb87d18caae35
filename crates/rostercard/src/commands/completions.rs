//! `completions` and the hidden `names`: what a shell needs to finish a command line. The scripts are clap's, made from the command line
//! itself; where a partnership is wanted, they ask `rostercard names`, which lists files and reads none of them.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use rostercard_config::{Disk, Files as _, Name};

use crate::cli::{Cli, Completions, Global};
use crate::exit::Exit;
use crate::output::Out;

/// The function that each script has besides clap's: the partnerships of the configuration that stands on the line, or of the usual one.
const BASH: &str = r#"_rostercard_partnerships() {
    local at config=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "${COMP_WORDS[at]}" in
            --config)
                [[ ${COMP_WORDS[at + 1]} == = ]] && ((at++))
                config=(--config "${COMP_WORDS[at + 1]/#\~\//$HOME/}")
                ;;
        esac
    done
    command rostercard "${config[@]}" names 2>/dev/null
}

"#;

/// The line as a whole: `words` has lost what stood before the command.
const ZSH: &str = r#"_rostercard_partnerships() {
    local -a typed config names
    local at
    typed=(${(z)LBUFFER})
    for ((at = 1; at <= $#typed; at++)); do
        case "$typed[at]" in
            (--config) config=(--config "${(Q)typed[at + 1]/#\~\//$HOME/}") ;;
            (--config=*) config=(--config "${(Q)${typed[at]#--config=}/#\~\//$HOME/}") ;;
        esac
    done
    names=(${(f)"$(command rostercard $config names 2>/dev/null)"})
    (( $#names )) && compadd -a names
}

"#;

const FISH: &str = r#"function __rostercard_partnerships
    set -l config
    set -l words (commandline -opc)
    for at in (seq (count $words))
        switch $words[$at]
            case --config
                set -l next (math $at + 1)
                if set -q words[$next]
                    set config --config (string replace -r '^~/' "$HOME/" -- $words[$next])
                end
            case '--config=*'
                set config $words[$at]
        end
    end
    command rostercard $config names 2>/dev/null
end

"#;

/// Prints a shell's completions.
pub(crate) fn completions(args: &Completions) -> Exit {
    Out::stdout().line(text_for(args.shell).trim_end());
    Exit::Done
}

/// Prints the names of the files in partnerships/, whatever stands in them. Where there are none, or they may not be seen, nothing.
pub(crate) fn names(global: &Global) -> Exit {
    for name in names_in(&global.config) {
        Out::stdout().line(&name);
    }
    Exit::Done
}

fn names_in(config: &Path) -> Vec<String> {
    let folder = config.parent().unwrap_or(Path::new("")).join("partnerships");
    let files = Disk.list(&folder).unwrap_or_default();
    let stems = files.iter().filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let mut names: Vec<String> = stems
        .filter_map(|path| Name::new(path.file_stem()?.to_str()?))
        .map(|name| name.as_str().to_owned())
        .collect();
    names.sort();
    names
}

/// A command that takes a partnership.
#[derive(Debug, PartialEq, Eq)]
struct Taker {
    /// Its words after `rostercard`.
    path: Vec<String>,
    /// The partnership is its first word.
    first: bool,
    /// It is `--partnership`.
    option: bool,
}

/// Every command that takes one which is there already.
fn takers(command: &Command, path: &[String], found: &mut Vec<Taker>) {
    for below in command.get_subcommands() {
        let path: Vec<String> = path.iter().cloned().chain([below.get_name().to_owned()]).collect();
        let asked = below.get_arguments().filter(|arg| arg.get_id() == "partnership");
        let (mut first, mut option) = (false, false);
        for arg in asked {
            first |= arg.is_positional();
            option |= arg.get_long() == Some("partnership");
        }
        // `init` takes the name of one that is to be.
        if (first || option) && below.get_name() != "init" {
            found.push(Taker { path: path.clone(), first, option });
        }
        takers(below, &path, found);
    }
}

fn text_for(shell: Shell) -> String {
    let whole = Cli::command();
    // The generators name hidden commands too.
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut shown = Command::new("rostercard").args(whole.get_arguments().cloned()).subcommands(shown);
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut shown, "rostercard", &mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut found = Vec::new();
    takers(&shown, &[], &mut found);
    match shell {
        Shell::Bash => bash(&text, &found),
        Shell::Zsh => zsh(&text),
        Shell::Fish => fish(&text, &found),
        _ => text,
    }
}

/// A command's words are in `opts`; what may stand behind an option is a branch of its own.
fn bash(text: &str, takers: &[Taker]) -> String {
    let label = |taker: &Taker| {
        let words: Vec<String> = taker.path.iter().map(|word| word.replace('-', "__subcmd__")).collect();
        format!("rostercard__subcmd__{})", words.join("__subcmd__"))
    };
    let labels: Vec<(String, &Taker)> = takers.iter().map(|taker| (label(taker), taker)).collect();
    let mut made = BASH.to_owned();
    let (mut here, mut behind) = (None, false);
    for line in text.lines() {
        let words = line.trim();
        if words.starts_with("rostercard__") && words.ends_with(')') {
            here = labels.iter().find(|(label, _)| label == words).map(|(_, taker)| *taker);
        }
        let mut line = line.to_owned();
        if let Some(taker) = here {
            if taker.first && words.starts_with("opts=\"") {
                line = format!("{} $(_rostercard_partnerships)\"", line.trim_end_matches('"'));
            }
            if taker.option && behind {
                line = line.replace("compgen -f", "compgen -W \"$(_rostercard_partnerships)\" --");
            }
        }
        behind = words == "--partnership)";
        made.push_str(&line);
        made.push('\n');
    }
    made
}

/// Each argument is a line that ends in what completes it.
fn zsh(text: &str) -> String {
    let mut made = String::new();
    let mut section = "";
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('(') && line.ends_with(')') {
            section = line;
        }
        let asks = ["':partnership -- ", "'::partnership -- ", "'--partnership=["];
        let takes = section != "(init)" && asks.iter().any(|begin| line.starts_with(begin));
        match line.strip_suffix(":_default' \\").filter(|_| takes) {
            Some(begin) => made.push_str(&format!("{begin}:_rostercard_partnerships' \\")),
            None => made.push_str(line),
        }
        made.push('\n');
        if at == 0 {
            made.push('\n');
            made.push_str(ZSH.trim_end());
            made.push('\n');
        }
    }
    made
}

/// The first words are lines of their own, which clap does not write.
fn fish(text: &str, takers: &[Taker]) -> String {
    let names = "-f -a \"(__rostercard_partnerships)\"";
    let mut made = FISH.to_owned();
    for line in text.lines() {
        let init = line.contains("__fish_rostercard_using_subcommand init\"");
        made.push_str(line);
        if line.contains(" -l partnership ") && !init {
            made.push_str(&format!(" {names}"));
        }
        made.push('\n');
    }
    for taker in takers.iter().filter(|taker| taker.first) {
        let mut when: String = taker
            .path
            .first()
            .map(|word| format!("__fish_rostercard_using_subcommand {word}"))
            .unwrap_or_default();
        for word in taker.path.iter().skip(1) {
            when.push_str(&format!("; and __fish_seen_subcommand_from {word}"));
        }
        // One is enough: what stands behind it is another thing.
        when.push_str("; and not __fish_seen_subcommand_from (__rostercard_partnerships)");
        made.push_str(&format!("complete -c rostercard -n \"{when}\" {names}\n"));
    }
    made
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn completions_name_the_commands_and_no_hidden_one() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = text_for(shell);
            assert!(text.contains("approve") && text.contains("only-school"), "{shell}");
        }
        let fish = text_for(Shell::Fish);
        assert!(!fish.contains("\"manual\"") && !fish.contains("\"names\""), "{fish}");
    }

    /// Where clap's scripts change their form, this says so: each place that takes a partnership must have been found.
    #[test]
    fn every_command_that_takes_a_partnership_asks_for_its_names() {
        let mut found = Vec::new();
        takers(&Cli::command(), &[], &mut found);
        let first = found.iter().filter(|taker| taker.first).count();
        let option = found.iter().filter(|taker| taker.option).count();
        assert!(first >= 15 && option >= 3, "{found:#?}");
        assert!(found.iter().any(|taker| taker.path == ["source", "students"]), "{found:#?}");
        // One more is the function itself.
        let asked = |shell: Shell, by: &str| text_for(shell).matches(by).count();
        assert_eq!(asked(Shell::Bash, "$(_rostercard_partnerships)"), first + option);
        assert_eq!(asked(Shell::Zsh, ":_rostercard_partnerships' \\"), first + option);
        assert_eq!(asked(Shell::Fish, "-a \"(__rostercard_partnerships)\""), first + option);
    }

    #[test]
    fn names_are_those_of_files_that_may_be_partnerships() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("rostercard.toml");
        assert_eq!(names_in(&config), Vec::<String>::new());
        fs::create_dir(folder.path().join("partnerships")).unwrap();
        for name in ["oak.toml", "ash.toml", "oak.toml~", ".elm.toml.swp", "No Name.toml", "$(id).toml"] {
            fs::write(folder.path().join("partnerships").join(name), "not read").unwrap();
        }
        assert_eq!(names_in(&config), ["ash", "oak"]);
    }
}
