//! Questions on a terminal: plain lines, a default in brackets, the choices with their numbers. Nothing is asked twice but
//! what was answered wrongly.

use std::io::BufRead;

use crate::output::Out;

/// One question.
pub(crate) struct Question {
    /// The flag that answers it.
    pub(crate) flag: &'static str,
    /// What is asked.
    pub(crate) ask: &'static str,
    /// The answer where none is given; none where there is no safe one.
    pub(crate) default: Option<&'static str>,
    /// What an answer must be.
    pub(crate) check: fn(&str) -> Result<(), String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: String,
}

/// Who answers: flags first, then a person where one is there, then the defaults.
pub(crate) struct Answers<'r> {
    person: Option<&'r mut dyn BufRead>,
}

impl<'r> Answers<'r> {
    /// Lines of a person, where there is one.
    pub(crate) fn new(person: Option<&'r mut dyn BufRead>) -> Self {
        Self { person }
    }

    /// The answer to a question. `said` is the flag's.
    pub(crate) fn text(&mut self, said: Option<&String>, question: &Question) -> Result<String, Unanswered> {
        if let Some(said) = said {
            return match (question.check)(said) {
                Ok(()) => Ok(said.clone()),
                Err(hint) => {
                    Err(Unanswered { what: format!("`{}` cannot be taken: {said}", question.flag), hint })
                }
            };
        }
        let Some(person) = &mut self.person else {
            return question.default.map(str::to_owned).ok_or_else(|| Unanswered {
                what: format!("{} is not said", question.flag),
                hint: format!("{}: say it by {}", question.ask, question.flag),
            });
        };
        let default = question.default.map_or_else(String::new, |default| format!(" [{default}]"));
        loop {
            Out::stdout().line(&format!("{}{default}:", question.ask));
            let answer = line(*person)?;
            let answer =
                if answer.is_empty() { question.default.unwrap_or_default().to_owned() } else { answer };
            match (question.check)(&answer) {
                Ok(()) => return Ok(answer),
                Err(why) => Out::stdout().line(&format!("  {why}")),
            }
        }
    }

    /// One of some words. `default` is the one that is taken where nothing is answered; none: it must be answered.
    pub(crate) fn choice<T: Copy + PartialEq>(
        &mut self,
        said: Option<T>,
        (flag, ask): (&str, &str),
        of: &[(&'static str, T, &'static str)],
        default: Option<T>,
    ) -> Result<T, Unanswered> {
        if let Some(said) = said {
            return Ok(said);
        }
        let Some(person) = &mut self.person else {
            return default.ok_or_else(|| Unanswered {
                what: format!("{flag} is not said, and has no default: each choice is wrong for somebody"),
                hint: of
                    .iter()
                    .map(|(word, _, what)| format!("{flag} {word}: {}", what.trim()))
                    .collect::<Vec<_>>()
                    .join("; "),
            });
        };
        Out::stdout().line(ask);
        for (at, (word, value, what)) in of.iter().enumerate() {
            let mark = if default == Some(*value) { " [this, unless you say otherwise]" } else { "" };
            Out::stdout().line(&format!("  {} {word}: {}{mark}", at + 1, what.trim()));
        }
        loop {
            let answer = line(*person)?;
            let by_number = answer.parse::<usize>().ok().and_then(|number| of.get(number.checked_sub(1)?));
            let found = by_number.or_else(|| of.iter().find(|(word, ..)| *word == answer));
            match (found, default) {
                (Some((_, value, _)), _) => return Ok(*value),
                (None, Some(default)) if answer.is_empty() => return Ok(default),
                _ => Out::stdout().line(&format!("  write a number from 1 to {}, or the word", of.len())),
            }
        }
    }
}

fn line(person: &mut dyn BufRead) -> Result<String, Unanswered> {
    let gone = || Unanswered {
        what: "there are no more answers, so nothing was written".to_owned(),
        hint: "answer every question, or say everything by flags: rostercard init --help".to_owned(),
    };
    let mut line = String::new();
    match person.read_line(&mut line) {
        Ok(0) | Err(_) => Err(gone()),
        Ok(_) => Ok(line.trim().to_owned()),
    }
}
