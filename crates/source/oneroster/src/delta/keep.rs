//! A package and the image before it, made into the next image: whole files replace, deltas change row by row, files that
//! the package does not have stay. Fields that the partnership may not read are left behind here, and of people who get no
//! card under any rule nothing is kept but that there is one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use rostercard_core::field::{Field, FieldRules};
use rostercard_core::ports::ConnectorError;
use rostercard_oneroster::{
    Code, Columns, Demographics, Layout, Line, Mode, Orgs, Roles, Row, Status, Users,
};

use super::cells::{DEMOGRAPHICS, Extras, ORGS, ROLES, extras, org, role, user};
use super::changes::Changes;
use super::image::{Draft, GONE, Head, Image, Images};
use super::line::{self, When};
use super::sealed::SealedWriter;
use crate::error;
use crate::index::Key;
use crate::open::Opened;
use crate::roles::Kind;
use crate::settings::{Settings, StudentIdFrom};

/// The files that are kept.
pub(crate) const FILES: &[&str] = &[Orgs::FILE, Roles::FILE, Demographics::FILE, Users::FILE];

/// A role that was deleted has ended: on a day that is over whatever today is.
const ENDED: &str = "1990-01-01";

/// What decides which fields are kept.
#[derive(Clone, Copy)]
pub(crate) struct Allowed<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) rules: &'a FieldRules,
}

impl Allowed<'_> {
    /// A digest of it: an image that was made with another one has other fields.
    pub(crate) fn digest(&self) -> u64 {
        let fields = Field::ALL.iter().map(|field| if self.rules.allows(*field) { '1' } else { '0' });
        let fields: String = fields.collect();
        let Settings { student_id, columns, educators, .. } = self.settings;
        crate::rest::cursor::fnv(&format!("{student_id} {columns:?} {educators} {fields}"))
    }
}

/// A row of a package.
struct New {
    cells: Vec<String>,
    when: Option<When>,
    gone: bool,
    line: u64,
    used: bool,
}

/// The work on one package.
struct Work<'a> {
    allowed: Allowed<'a>,
    base: Option<&'a Image>,
    pack: &'a Opened,
    draft: &'a Draft,
    changes: Changes,
    /// Ids that were deleted, by file, with when.
    gone: BTreeMap<(usize, String), String>,
    touched: HashSet<Key>,
    /// Users of whom nothing may be kept: whether they have a part that gets no card, and none that does.
    family: HashMap<Key, bool>,
    /// Users who leave no name in the image, and so no birth date either.
    nameless: HashSet<Key>,
    /// The users, where the package has all of them.
    users: Option<HashSet<Key>>,
    files: Vec<String>,
}

/// Makes the next image. `head` says what it is; its files are filled in here.
pub(crate) fn apply(
    images: &Images,
    allowed: Allowed<'_>,
    base: Option<&Image>,
    pack: &Opened,
    name: &str,
    mut head: Head,
) -> Result<(Image, Changes), ConnectorError> {
    let draft = images.begin(name).map_err(error::image)?;
    let mut work = Work {
        allowed,
        base,
        pack,
        draft: &draft,
        changes: Changes::default(),
        gone: BTreeMap::new(),
        touched: HashSet::new(),
        family: HashMap::new(),
        nameless: HashSet::new(),
        users: (pack.manifest.mode(Users::FILE) == Mode::Bulk).then(HashSet::new),
        files: Vec::new(),
    };
    work.changes.all = head.founded;
    if let Some(base) = base {
        base.lines(GONE, |text| {
            let cells = line::split(text);
            let cell = |at: usize| cells.get(at).map_or("", AsRef::as_ref);
            if let Some(at) = FILES.iter().position(|file| *file == cell(0)) {
                work.gone.insert((at, cell(1).to_owned()), cell(2).to_owned());
            }
            Ok(())
        })
        .map_err(error::image)?;
    }
    work.table::<Orgs>(0, |_| (ORGS.to_owned(), Extras::default()), |_, _, row| org(row))?;
    work.table::<Roles>(1, |_| (ROLES.to_owned(), Extras::default()), |_, _, row| role(row))?;
    let from = base.map(|base| base.header(Users::FILE)).transpose().map_err(error::image)?;
    let whole = pack.manifest.mode(Users::FILE) == Mode::Bulk;
    let extras = |layout: Option<&Layout<Users>>| extras(allowed, from.as_deref(), whole, layout);
    work.table::<Users>(3, extras, |allowed, extras, row| user(*allowed, extras, row))?;
    if allowed.rules.allows(Field::BirthDate) {
        work.table::<Demographics>(
            2,
            |_| (DEMOGRAPHICS.to_owned(), Extras::default()),
            |_, _, row| {
                ["", ""]
                    .map(str::to_owned)
                    .into_iter()
                    .chain([row.get(Demographics::BirthDate).to_owned()])
                    .collect()
            },
        )?;
    }
    let written = || -> io::Result<()> {
        let mut file = draft.file(GONE)?;
        file.add(b"file,id,when\n")?;
        for ((at, id), when) in &work.gone {
            let name = FILES.get(*at).copied().unwrap_or_default();
            file.add(format!("{}\n", line::join(&[name, id, when])).as_bytes())?;
        }
        file.finish()?;
        work.changes.write(&draft)
    };
    written().map_err(error::image)?;
    head.files = std::mem::take(&mut work.files);
    head.files.extend([GONE.to_owned(), super::image::CHANGES.to_owned()]);
    let changes = work.changes;
    Ok((draft.finish(&head).map_err(error::image)?, changes))
}

impl Work<'_> {
    /// One file.
    fn table<C: Columns>(
        &mut self,
        at: usize,
        shape: impl Fn(Option<&Layout<C>>) -> (String, Extras),
        make: impl Fn(&Allowed<'_>, &Extras, &Row<'_, C>) -> Vec<String>,
    ) -> Result<(), ConnectorError> {
        let mode = self.pack.manifest.mode(C::FILE);
        let base = self.base.filter(|base| base.has(C::FILE) && mode != Mode::Bulk);
        if mode == Mode::Absent && base.is_none() {
            return Ok(());
        }
        self.files.push(C::FILE.to_owned());
        let mut out = self.draft.file(C::FILE).map_err(error::image)?;
        if mode == Mode::Absent {
            out.add(format!("{}\n", shape(None).0).as_bytes()).map_err(error::image)?;
            self.carry::<C>(base, &mut [], &HashMap::new(), at, &mut out)?;
            return out.finish().map_err(error::image);
        }
        if mode == Mode::Bulk {
            self.gone.retain(|(file, _), _| *file != at);
            self.changes.all = true;
        }
        let (pack, allowed) = (self.pack, self.allowed);
        pack.table::<C, ()>(|mut table, _| {
            let (header, extras) = shape(Some(table.layout()));
            out.add(format!("{header}\n").as_bytes()).map_err(error::image)?;
            if extras.unmarked {
                self.changes.note("protected_column_missing", C::FILE, 1);
            }
            let (mut news, mut by_id): (Vec<New>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
            while let Some(line) = table.next_line().map_err(error::read)? {
                let row = match line {
                    Line::Row(row) => row,
                    Line::Damaged(damaged) => {
                        let id = damaged.cells.map_or("", |row| row_id::<C>(allowed.settings, &row));
                        self.damaged::<C>(damaged.code, damaged.line, id, mode);
                        continue;
                    }
                };
                let mut new = New {
                    cells: make(&allowed, &extras, &row),
                    when: When::read(cell(&row, "dateLastModified")),
                    gone: false,
                    line: row.line(),
                    used: false,
                };
                if let Some(first) = new.cells.first_mut() {
                    cell(&row, "sourcedId").clone_into(first);
                }
                if let Some(second) = new.cells.get_mut(1) {
                    cell(&row, "dateLastModified").clone_into(second);
                }
                let status = Status::parse(cell(&row, "status"));
                new.gone = status == Status::ToBeDeleted;
                if mode == Mode::Bulk {
                    if new.gone && at != 0 {
                        self.changes.note("row_tobedeleted", C::FILE, new.line);
                    } else {
                        self.put::<C>(at, &mut new.cells, &mut out)?;
                    }
                    continue;
                }
                if matches!(status, Status::Blank | Status::Unknown) {
                    self.changes.note("delta_status_missing", C::FILE, new.line);
                }
                if new.when.is_none() {
                    self.changes.note("delta_date_missing", C::FILE, new.line);
                }
                let id = key(at, &new.cells);
                if id.is_empty() {
                    self.changes.note("delta_row_without_id", C::FILE, new.line);
                    continue;
                }
                match by_id.get(&id).and_then(|place| news.get_mut(*place)) {
                    Some(other) if older(new.when, other.when) => {
                        self.changes.note("delta_row_older", C::FILE, new.line);
                    }
                    Some(other) => *other = new,
                    None => {
                        by_id.insert(id, news.len());
                        news.push(new);
                    }
                }
            }
            if mode == Mode::Delta {
                // Whom the package names.
                for new in &news {
                    if let Some(user) = new.cells.get(if at == 1 { 2 } else { 0 }).filter(|_| at > 0)
                        && self.touched.insert(Key::of(user))
                    {
                        self.changes.touched.push(user.clone());
                    }
                }
                self.changes.all |= at == 0 && !news.is_empty();
                self.carry::<C>(base, &mut news, &by_id, at, &mut out)?;
            }
            Ok(())
        })?;
        out.finish().map_err(error::image)
    }

    fn damaged<C: Columns>(&mut self, code: Code, line: u64, id: &str, mode: Mode) {
        if mode == Mode::Delta {
            self.changes.note("delta_row_lost", C::FILE, line);
        }
        match C::FILE {
            file if file == Users::FILE => self.changes.damaged.push((code, line, id.to_owned())),
            file if file != Orgs::FILE => self.changes.doubts.push(code),
            _ => {}
        }
    }

    /// The rows of the image before, with what changed of them, and then what is new.
    fn carry<C: Columns>(
        &mut self,
        base: Option<&Image>,
        news: &mut [New],
        by_id: &HashMap<String, usize>,
        at: usize,
        out: &mut SealedWriter,
    ) -> Result<(), ConnectorError> {
        let mut failed = None;
        if let Some(base) = base {
            let carried = base.lines(C::FILE, |text| {
                let cells = line::split(text);
                let mut cells: Vec<String> = cells.into_iter().map(std::borrow::Cow::into_owned).collect();
                let id = key(at, &cells);
                if at == 3 && cells.first().is_some_and(|id| self.touched.contains(&Key::of(id))) {
                    let old: Vec<_> = cells.iter().map(|cell| cell.as_str().into()).collect();
                    let student = line::student_id(&self.allowed.settings.student_id, &old).to_owned();
                    if !student.is_empty() {
                        self.changes.before.push((student, id.clone()));
                    }
                }
                let new = by_id.get(&id).and_then(|place| news.get_mut(*place));
                match new {
                    Some(new) if new.used => return Ok(()),
                    Some(new) if older(new.when, cells.get(1).and_then(|when| When::read(when))) => {
                        new.used = true;
                        self.changes.note("delta_row_older", C::FILE, new.line);
                    }
                    Some(new) => {
                        new.used = true;
                        if new.gone && at != 0 {
                            let when = new.cells.get(1).cloned().unwrap_or_default();
                            self.gone.insert((at, id), when.clone());
                            if at != 1 {
                                return Ok(());
                            }
                            // A part that was deleted is one that has ended: then it is known that the user had one.
                            if let [_, date, .., end] = cells.as_mut_slice() {
                                *date = when;
                                ENDED.clone_into(end);
                            }
                        } else {
                            self.gone.remove(&(at, id));
                            cells.clone_from(&new.cells);
                        }
                    }
                    None => {}
                }
                if let Err(error) = self.put::<C>(at, &mut cells, out) {
                    failed = Some(error);
                    return Err(io::Error::other("the image could not be written"));
                }
                Ok(())
            });
            if let Some(error) = failed {
                return Err(error);
            }
            carried.map_err(error::image)?;
        }
        for new in news.iter_mut().filter(|new| !new.used) {
            let id = key(at, &new.cells);
            let deleted = self.gone.get(&(at, id.clone()));
            if new.gone && at != 0 {
                // Birth dates of who has left, or gets no card, went before.
                let user =
                    || self.gone.contains_key(&(3, id.clone())) || self.nameless.contains(&Key::of(&id));
                if deleted.is_none() && !(at == 2 && user()) {
                    self.changes.note("delta_of_unknown", C::FILE, new.line);
                }
                self.gone.insert((at, id), new.cells.get(1).cloned().unwrap_or_default());
                continue;
            }
            if older(new.when, deleted.and_then(|when| When::read(when))) {
                self.changes.note("delta_row_older", C::FILE, new.line);
                continue;
            }
            self.gone.remove(&(at, id));
            let mut cells = std::mem::take(&mut new.cells);
            self.put::<C>(at, &mut cells, out)?;
        }
        Ok(())
    }

    /// Writes a row.
    fn put<C: Columns>(
        &mut self,
        at: usize,
        cells: &mut [String],
        out: &mut SealedWriter,
    ) -> Result<(), ConnectorError> {
        let kind = |word: &str| match Kind::of(word) {
            Kind::Educator if !self.allowed.settings.educators => Kind::Family,
            kind => kind,
        };
        let text = |at: usize| cells.get(at).map_or("", String::as_str);
        match at {
            1 if text(2).is_empty() || text(3).is_empty() => {
                self.changes.note("role_without_ids", C::FILE, 1);
                self.changes.doubts.push(Code::RowWidthMismatch);
                return Ok(());
            }
            // Nobody's birth date is kept longer than the one whose it is.
            2 => {
                let user = Key::of(text(0));
                let left = self.gone.contains_key(&(3, text(0).to_owned()))
                    || self.users.as_ref().is_some_and(|users| !users.contains(&user));
                if left || self.nameless.contains(&user) {
                    return Ok(());
                }
            }
            1 => {
                let family = kind(text(5)) == Kind::Family;
                *self.family.entry(Key::of(text(2))).or_insert(true) &= family;
            }
            3 => {
                let user = Key::of(text(0));
                if let Some(users) = &mut self.users {
                    users.insert(user);
                }
                let here = !text(3).is_empty() && kind(text(3)) == Kind::Family;
                if here || self.family.get(&user).copied().unwrap_or_default() {
                    self.nameless.insert(user);
                    // Who gets no card leaves no name here.
                    for (place, cell) in cells.iter_mut().enumerate() {
                        if !matches!(place, 0 | 1 | 3) {
                            cell.clear();
                        }
                    }
                }
            }
            _ => {}
        }
        out.add(format!("{}\n", line::join(cells)).as_bytes()).map_err(error::image)
    }
}

/// Whether a row certainly is older than another.
fn older(new: Option<When>, old: Option<When>) -> bool {
    matches!((new, old), (Some(new), Some(old)) if new.before(old))
}

/// What a row is known by: its id, and a role without one by whose, where and what it is.
fn key(at: usize, cells: &[String]) -> String {
    let cell = |at: usize| cells.get(at).map_or("", String::as_str);
    if at == 1 && cell(0).is_empty() && !cell(2).is_empty() {
        return line::join(&[cell(2), cell(3), cell(5)]);
    }
    cell(0).to_owned()
}

/// A cell by its column's name, which each of the files has.
fn cell<'r, C: Columns>(row: &Row<'r, C>, name: &str) -> &'r str {
    row.named(name)
}

fn row_id<'r, C: Columns>(settings: &Settings, row: &Row<'r, C>) -> &'r str {
    match settings.student_id {
        StudentIdFrom::SourcedId => row.named("sourcedId"),
        StudentIdFrom::Username => row.named("username"),
        StudentIdFrom::UserMasterIdentifier => row.named("userMasterIdentifier"),
        StudentIdFrom::Identifier => row.named("identifier"),
        StudentIdFrom::UserIds(_) => "",
    }
}
