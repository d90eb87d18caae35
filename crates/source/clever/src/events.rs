//! The event feed, folded: whom something happened to. What a person is now is asked of Clever afterwards, so that an event twice,
//! an old one, or one whose object is not whole can do no harm. Pure: nothing is asked here.

use std::collections::BTreeMap;

use rostercard_core::privacy::Personal;
use serde_json::value::RawValue;

use crate::settings::StudentIdFrom;
use crate::shapes::{self, Event, Part, Text, User};

/// Fields whose absence would change what card somebody has, and those whose absence changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Share {
    /// The name.
    Name,
    /// The birth date.
    BirthDate,
    /// The grade.
    Grade,
    /// The schools.
    School,
    /// The number that `student_id` names.
    StudentId,
    /// The e-mail address.
    Email,
    /// The address.
    Location,
    /// The user name.
    UserName,
}

impl Share {
    const ALL: [Self; 8] = [
        Self::Name,
        Self::BirthDate,
        Self::Grade,
        Self::School,
        Self::StudentId,
        Self::Email,
        Self::Location,
        Self::UserName,
    ];

    /// Clever's own name for it.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::BirthDate => "dob",
            Self::Grade => "grade",
            Self::School => "school",
            Self::StudentId => "student_id",
            Self::Email => "email",
            Self::Location => "location",
            Self::UserName => "credentials",
        }
    }

    /// Whether a card could change for its absence.
    pub(crate) const fn decides(self) -> bool {
        matches!(self, Self::Name | Self::BirthDate | Self::Grade | Self::School | Self::StudentId)
    }

    /// Whether a user (or the part of one) has it.
    pub(crate) fn is_in(self, user: &User, part: &Part, id: StudentIdFrom) -> bool {
        let name = || user.name.0.as_ref().or(part.name.0.as_ref());
        match self {
            Self::Name => name().is_some_and(|name| !name.first.is_blank() || !name.last.is_blank()),
            Self::BirthDate => !part.dob.is_blank(),
            Self::Grade => !part.grade.is_blank(),
            Self::School => !part.school.is_blank() || part.schools.0.iter().any(|school| !school.is_blank()),
            Self::StudentId => !lasting(part, id).is_empty(),
            Self::Email => !user.email.is_blank(),
            Self::Location => {
                part.location.0.as_ref().is_some_and(|at| !at.zip.is_blank() || !at.address.is_blank())
            }
            Self::UserName => part.credentials.0.as_ref().is_some_and(|c| !c.district_username.is_blank()),
        }
    }
}

/// Somebody to whom something happened.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Whether the last event was a deletion.
    pub(crate) deleted: bool,
    /// The lasting number, as the events last had it.
    pub(crate) student_id: Option<Personal>,
    /// Numbers that were replaced.
    pub(crate) numbers_before: Vec<Personal>,
    /// What was there before an event changed or took it.
    pub(crate) shared_before: Vec<Share>,
}

/// What the events so far come to.
#[derive(Debug)]
pub(crate) struct Fold {
    id: StudentIdFrom,
    educators: bool,
    /// By Clever's id.
    pub(crate) touched: BTreeMap<String, Touched>,
    /// Events about other things: sections, courses, terms.
    pub(crate) skipped: u64,
    /// Events that could not be read: then only a reading of everything helps.
    pub(crate) damaged: u64,
    /// Events in all.
    pub(crate) events: u64,
}

/// Whose events older feeds kept apart.
const PEOPLE: [&str; 6] = ["users", "students", "teachers", "staff", "schooladmins", "contacts"];
/// Of these, who gets no card whatever happens.
const NOBODY: [&str; 2] = ["contacts", "schooladmins"];
/// And who only where educators are read: a teacher's number may be a student's too.
const EDUCATORS: [&str; 2] = ["teachers", "staff"];

impl Fold {
    pub(crate) fn new(id: StudentIdFrom, educators: bool) -> Self {
        Self { id, educators, touched: BTreeMap::new(), skipped: 0, damaged: 0, events: 0 }
    }

    /// One more event, in the feed's order.
    pub(crate) fn add(&mut self, raw: &RawValue) {
        self.events += 1;
        let Some(event) = shapes::record::<Event<'_>>(raw) else {
            self.damaged += 1;
            return;
        };
        let (thing, what) = event.kind.get().split_once('.').unwrap_or_default();
        let unwanted = NOBODY.contains(&thing) || (EDUCATORS.contains(&thing) && !self.educators);
        if !PEOPLE.contains(&thing) || unwanted {
            // A kind without a dot is none at all.
            if thing.is_empty() {
                self.damaged += 1;
            } else {
                self.skipped += 1;
            }
            return;
        }
        if !matches!(what, "created" | "updated" | "deleted") {
            self.skipped += 1;
            return;
        }
        let object = event.data.0.as_ref().and_then(|data| data.object);
        let Some(user) = object.and_then(shapes::object::<User>).filter(|user| !user.id.is_blank()) else {
            self.damaged += 1;
            return;
        };
        if is_somebody_else(&user, self.educators) {
            self.skipped += 1;
            return;
        }
        let touched = self.touched.entry(user.id.get().to_owned()).or_default();
        touched.deleted = what == "deleted";
        let flat = object.and_then(shapes::object::<Part>);
        if let Some(number) = number(&user, flat.as_ref(), self.id) {
            touched.student_id = Some(number);
        }
        let Some(before) = event.before() else { return };
        let was = shapes::object::<User>(before).unwrap_or_default();
        let flat = shapes::object::<Part>(before);
        if let Some(number) = number(&was, flat.as_ref(), self.id) {
            touched.numbers_before.push(number);
        }
        let none = Part::default();
        let parts = [part_of(&was), flat.as_ref()].map(|part| part.unwrap_or(&none));
        for share in Share::ALL {
            let had = parts.iter().any(|part| share.is_in(&was, part, self.id));
            if had && !touched.shared_before.contains(&share) {
                touched.shared_before.push(share);
            }
        }
    }
}

/// The part of a user that may bring a card.
fn part_of(user: &User) -> Option<&Part> {
    let roles = user.roles.0.as_ref()?;
    roles.student.0.as_ref().or(roles.teacher.0.as_ref()).or(roles.staff.0.as_ref())
}

/// Whether an event's object says that the user can get no card: a parent, an administrator, an educator where those are not
/// read. One that says nothing of roles may be anybody.
fn is_somebody_else(user: &User, educators: bool) -> bool {
    let Some(roles) = &user.roles.0 else { return false };
    let teaches = roles.teacher.0.is_some() || roles.staff.0.is_some();
    let other = roles.contact.0.is_some() || roles.district_admin.0.is_some();
    roles.student.0.is_none() && if teaches { !educators } else { other }
}

fn number(user: &User, flat: Option<&Part>, id: StudentIdFrom) -> Option<Personal> {
    let parts = [part_of(user), flat];
    parts.into_iter().flatten().map(|part| lasting(part, id)).find_map(Personal::non_blank)
}

/// The lasting number, whatever part it is of.
fn lasting(part: &Part, id: StudentIdFrom) -> &str {
    let order: [&Text; 3] = match id {
        StudentIdFrom::SisId => [&part.sis_id, &part.staff_id, &part.staff_id],
        StudentIdFrom::StudentNumber => [&part.student_number, &part.teacher_number, &part.staff_id],
        StudentIdFrom::StateId => [&part.state_id, &part.staff_id, &part.staff_id],
    };
    order.into_iter().map(Text::get).find(|id| !id.is_empty()).unwrap_or_default()
}
