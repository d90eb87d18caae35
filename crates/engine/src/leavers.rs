//! What a roster's columns and its leavers mean for the guards: fields that are gone, values that changed places, and
//! students who have finished school.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use jiff::civil::Date;
use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::guard::{SchoolFacts, lacking, swapped};
use rostercard_core::patron::WantedPatron;
use rostercard_core::plan::ChangeKind;
use rostercard_store::rows::{Link, LinkIndex};

use crate::collect::{Collector, Work, school_facts};
use crate::error::EngineError;
use crate::tally::{Fate, Tally as _};

/// Links that are read from the store at once.
const LINKS: usize = 500;

/// Somebody whose grace is over.
pub(crate) struct Leaver {
    pub(crate) row: LinkIndex,
    /// The school's key and label.
    pub(crate) school: (String, String),
    /// Why, where it is not that the grace is over: the family's word.
    pub(crate) why: &'static str,
    grade: Option<u8>,
    /// Whether the rule for graduates foresaw it: then no guard has to ask.
    graduated: bool,
}

impl Leaver {
    /// Counts the planned lapse in its grade; one that was foreseen is not counted at all.
    pub(crate) fn count(&self, schools: &mut BTreeMap<String, SchoolFacts>) {
        let Some(facts) = schools.get_mut(&self.school.0) else { return };
        match self.grade {
            _ if self.graduated => facts.unplan(ChangeKind::Lapse, None),
            Some(grade) => *facts.grades.entry((ChangeKind::Lapse, grade)).or_default() += 1,
            None => {}
        }
    }
}

impl Collector<'_> {
    /// Counts what the guards have to know of a person who changed: fields that the roster now lacks, and fields that are
    /// exchanged. Whether there is one that it lacks: such a person is only taken over once the guards have looked.
    pub(crate) fn look_at_content(
        &self,
        wanted: &WantedPatron,
        link: &Link,
        changed: FieldSet,
        work: &mut Work,
    ) -> bool {
        let rules = &self.settings.rules.fields;
        let lacks = lacking(&wanted.values, &link.data.digests, rules);
        let exchanged = swapped(&wanted.values, &link.data.digests, changed, self.store.digest_key());
        if lacks.is_empty() && exchanged.is_none() {
            return false;
        }
        let facts = school_facts(&mut work.schools, wanted.school.key(), || wanted.school.label());
        for field in lacks.iter() {
            *facts.lacking.entry(field).or_default() += 1;
        }
        if let Some(pair) = exchanged {
            *facts.swapped.entry(pair).or_default() += 1;
        }
        !lacks.is_empty()
    }

    /// Whether somebody has finished school, and the card is good until it expires.
    pub(crate) fn keeps_card(&self, grade: Option<u8>, missing: Option<Date>, expiry: Option<Date>) -> bool {
        let graduated = missing.is_some_and(|since| self.settings.dates.has_graduated(grade, since));
        // A card without an end would never lapse.
        graduated && expiry.is_some_and(|expiry| self.day <= expiry)
    }

    /// Those of the missing who lapse now: all but those who have finished school and whose cards are still good.
    pub(crate) async fn leaving(
        &self,
        missing: Vec<(LinkIndex, (String, String), &'static str)>,
        work: &mut Work,
    ) -> Result<Vec<Leaver>, EngineError> {
        let mut leaving = Vec::with_capacity(missing.len());
        for some in missing.chunks(LINKS) {
            let people: Vec<Digest> = some.iter().map(|(row, ..)| row.person).collect();
            let grades: HashMap<Digest, Option<u8>> = self
                .store
                .links(self.partnership.id, &people)
                .await?
                .into_iter()
                .map(|link| (link.person, link.data.grade))
                .collect();
            for (row, school, why) in some {
                let grade = grades.get(&row.person).copied().flatten();
                // A family's no asks for no calendar.
                if why.is_empty() && self.keeps_card(grade, row.missing_since, row.expiry) {
                    work.result.count(&school.1, Fate::Unchanged);
                    continue;
                }
                let graduated = why.is_empty()
                    && row.expiry.is_some()
                    && row.missing_since.is_some_and(|since| self.settings.dates.has_graduated(grade, since));
                leaving.push(Leaver { row: *row, school: school.clone(), why, grade, graduated });
            }
        }
        Ok(leaving)
    }
}
