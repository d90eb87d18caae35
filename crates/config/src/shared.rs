//! What only all partnerships together can tell of a source that several of them use: that no school is taken by two.
//! A school that nobody takes is known to the roster alone, and so is one that is taken under two names.

use std::collections::BTreeMap;

use crate::load::Broken;
use crate::partnership::Partnership;
use crate::place::Place;
use crate::problem::{Code, Problem, Problems};

/// Stops the partnerships of one source that take the same school: its students would get a card from each.
pub(crate) fn schools_once(partnerships: &mut [(String, Result<Partnership, Broken>)], problems: &Problems) {
    let mut taken: BTreeMap<(String, String), (String, Place)> = BTreeMap::new();
    let mut broken = Vec::new();
    for (name, partnership) in partnerships.iter() {
        let Ok(partnership) = partnership else { continue };
        let Some(source) = &partnership.shared_source else { continue };
        for (school, place) in &partnership.own_schools {
            let key = (source.as_str().to_owned(), alike(school));
            let Some((other, first)) = taken.get(&key).filter(|(other, _)| other != name) else {
                taken.entry(key).or_insert_with(|| (name.clone(), place.clone()));
                continue;
            };
            problems.add(
                Problem::error(
                    Code::Twice,
                    place.clone(),
                    "homes",
                    format!(
                        "partnership `{other}` has this school too, and its students would get two cards"
                    ),
                    "leave the school to one of the two",
                )
                .and_at(first.clone(), "taken here first"),
            );
            broken.extend([other.clone(), name.clone()]);
        }
    }
    for (_, partnership) in partnerships.iter_mut().filter(|(name, _)| broken.contains(name)) {
        *partnership = Err(Broken);
    }
}

/// A school's name, whatever its blanks and the case of its letters.
fn alike(school: &str) -> String {
    school.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
