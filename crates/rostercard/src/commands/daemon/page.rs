//! The page over HTTP: who comes, what is asked, what is answered. How it looks is `rostercard-page`'s matter.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::SignedDuration;
use rostercard_config::PageRole;
use rostercard_core::privacy::Personal;
use rostercard_core::review::ReviewAnswer;
use rostercard_page::access::{Deed, Holder, Role};
use rostercard_page::door::{Door, Visitor};
use rostercard_page::headers::{HEADERS, NO_STORE};
use rostercard_page::view::{Frame, Moment, Notice};
use rostercard_page::{self as show};
use rostercard_store::rows::RunId;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::acting::{Asked, Said, act};
use super::{Daemon, lock};
use crate::commands::decide::selected;
use crate::machine;
use crate::setup::Setup;

/// A wrong token is answered after so long, and only so many are looked at at a time: nobody guesses quickly.
const WRONG_WAITS: Duration = Duration::from_secs(1);
const LOOKED_AT: usize = 4;
/// The largest form, in bytes.
const LARGEST_FORM: usize = 16 * 1024;

/// What every answer needs.
struct Page {
    daemon: Arc<Daemon>,
    looking: Semaphore,
}

/// Takes the tokens of a configuration.
pub(super) fn take_tokens(door: &mut Door, setup: &Setup) {
    let Ok(main) = &setup.loaded.main else { return };
    let tokens = main.http.tokens.iter().filter_map(|token| {
        let name = token.name.as_str();
        let (_, secret) = setup.tokens.iter().find(|(other, _)| other == name)?;
        let role = match token.role {
            PageRole::Viewer => Role::Viewer,
            PageRole::Approver => Role::Approver,
            PageRole::Administrator => Role::Administrator,
        };
        let partnerships = token.partnerships.as_ref();
        let partnerships =
            partnerships.map(|names| names.value.iter().map(|name| name.as_str().to_owned()).collect());
        Some((Holder { name: name.to_owned(), role, partnerships }, secret.reveal().trim()))
    });
    let lasts = SignedDuration::try_from(main.http.session).unwrap_or(SignedDuration::from_hours(8));
    door.set(tokens.collect(), lasts);
}

/// The page's routes.
pub(super) fn routes(daemon: Arc<Daemon>) -> Router {
    let page = Arc::new(Page { daemon, looking: Semaphore::new(LOOKED_AT) });
    Router::new()
        .route("/", get(overview))
        .route("/login", get(login).post(log_in))
        .route("/logout", post(log_out))
        .route("/audit", get(audit))
        .route("/partnership/{name}", get(partnership))
        .route("/partnership/{name}/pause", post(pause))
        .route("/partnership/{name}/resume", post(resume))
        .route("/partnership/{name}/review/{number}", post(answer))
        .route("/run/{number}", get(run))
        .route("/run/{number}/decide", post(decide))
        .route("/page.css", get(async || asset("text/css; charset=utf-8", show::STYLE)))
        .route("/icon.svg", get(async || asset("image/svg+xml", show::ICON)))
        .layer(middleware::from_fn(guarded))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(page)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=3600")], text).into_response()
}

/// The headers of every answer; and what another site's page sends is refused whatever it carries.
async fn guarded(request: axum::extract::Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let foreign =
        request.method() == Method::POST && site.is_some_and(|site| !["same-origin", "none"].contains(&site));
    let mut response = if foreign {
        (StatusCode::FORBIDDEN, "this was sent by another site's page\n").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(HeaderName::from_static(NO_STORE.0)).or_insert(HeaderValue::from_static(NO_STORE.1));
    response
}

/// Somebody who was let in, and their cookie.
struct Guest {
    visitor: Visitor,
    cookie: Option<String>,
}

impl Page {
    fn secure(&self) -> bool {
        self.daemon.first.loaded.main.as_ref().is_ok_and(|main| main.http.tls_in_front)
    }

    /// A cookie of this name belongs to this host alone, where browsers can be told so.
    fn cookie_name(&self) -> &'static str {
        if self.secure() { "__Host-rostercard" } else { "rostercard" }
    }

    fn cookie(&self, headers: &HeaderMap) -> Option<String> {
        let name = self.cookie_name();
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    fn set_cookie(&self, value: &str, seconds: i64) -> String {
        let secure = if self.secure() { "; Secure" } else { "" };
        format!(
            "{}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}",
            self.cookie_name()
        )
    }

    /// Who comes, by a token with the request or by a cookie; otherwise the answer that they get.
    async fn guest(&self, headers: &HeaderMap) -> Result<Guest, Response> {
        if lock(&self.daemon.door).is_shut() {
            return Err(Html(show::no_tokens(&self.frame(None, None))).into_response());
        }
        if let Some(shown) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            let token = shown.strip_prefix("Bearer ").unwrap_or_default().trim();
            let holder = self.looked(|door| door.holder(token)).await;
            return match holder {
                Ok(Some(holder)) => Ok(Guest { visitor: Visitor { holder, form: None }, cookie: None }),
                Ok(None) => Err((StatusCode::UNAUTHORIZED, "there is no such token\n").into_response()),
                Err(busy) => Err(busy),
            };
        }
        let cookie = self.cookie(headers);
        let now = machine::now();
        let entered = cookie.as_deref().and_then(|cookie| lock(&self.daemon.door).enter(cookie, now));
        match entered {
            Some(visitor) => Ok(Guest { visitor, cookie }),
            None => Err(Redirect::to("/login").into_response()),
        }
    }

    /// Looks at a token; a wrong one takes its time.
    async fn looked<T>(&self, look: impl FnOnce(&mut Door) -> Option<T>) -> Result<Option<T>, Response> {
        let Ok(_one) = self.looking.try_acquire() else {
            let text = "too many wrong tokens at once: try again in a few seconds\n";
            return Err((StatusCode::TOO_MANY_REQUESTS, text).into_response());
        };
        let found = look(&mut lock(&self.daemon.door));
        if found.is_none() {
            tracing::warn!("Somebody showed the page a wrong token.");
            self.daemon.world.clock.sleep(WRONG_WAITS).await;
        }
        Ok(found)
    }

    fn frame(&self, guest: Option<&Guest>, notice: Option<Notice>) -> Frame {
        let newest = lock(&self.daemon.now).newest.clone().unwrap_or_else(|| self.daemon.first.clone());
        let main = newest.loaded.main.as_ref().or(self.daemon.first.loaded.main.as_ref()).ok();
        let zone = main.map_or(jiff::tz::TimeZone::UTC, |main| main.library.timezone.clone());
        let now = machine::now();
        let said = guest
            .and_then(|guest| guest.cookie.as_deref())
            .and_then(|cookie| lock(&self.daemon.door).said(cookie));
        Frame {
            library: main.map(rostercard_config::Main::library_names).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            made: Moment::new(now, &zone, now),
            who: guest.map(|guest| (*guest.visitor.holder).clone()),
            form: guest.and_then(|guest| guest.visitor.form.clone()).unwrap_or_default(),
            notice: notice.or(said),
        }
    }

    fn says(&self, guest: &Guest, status: StatusCode, title: &str, text: &str, hint: &str) -> Response {
        let frame = self.frame(Some(guest), None);
        (status, Html(show::message(&frame, title, text, hint))).into_response()
    }

    fn unknown(&self, guest: &Guest) -> Response {
        self.says(guest, StatusCode::NOT_FOUND, "Not here", "There is no such page for this token.", "")
    }

    fn unreadable(&self, guest: &Guest, why: &str) -> Response {
        self.says(guest, StatusCode::SERVICE_UNAVAILABLE, "Not now", why, "The daemon's log says more.")
    }

    /// Whether this visitor may do this, with this form; otherwise the answer.
    #[expect(clippy::result_large_err, reason = "an answer is what the handlers return either way")]
    fn allow(&self, guest: &Guest, deed: Deed, form: Option<&str>) -> Result<(), Response> {
        if !guest.visitor.sent_this(form) {
            let (text, hint) = (
                "This form is not from a page of this session.",
                "Open the page again, and send it from there.",
            );
            return Err(self.says(guest, StatusCode::FORBIDDEN, "Not done", text, hint));
        }
        match guest.visitor.holder.refusal(deed) {
            None => Ok(()),
            Some(why) => {
                Err(self.says(guest, StatusCode::FORBIDDEN, "Not allowed", &why, "Nothing was done."))
            }
        }
    }

    /// Tells what came of something: on the page it was asked from, or to whoever came with a token as a line.
    fn tell(&self, guest: &Guest, said: Said, back: &str) -> Response {
        let (status, notice) = said;
        match &guest.cookie {
            Some(cookie) if notice.good => {
                lock(&self.daemon.door).say_next(cookie, notice);
                Redirect::to(back).into_response()
            }
            Some(_) => self.says(guest, status, "Not done", &notice.text, &notice.hint),
            None => {
                let hint =
                    if notice.hint.is_empty() { String::new() } else { format!("hint: {}\n", notice.hint) };
                (status, format!("{}\n{hint}", notice.text)).into_response()
            }
        }
    }
}

type Shared = State<Arc<Page>>;

async fn overview(State(page): Shared, headers: HeaderMap) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    let view =
        page.daemon.overview(&guest.visitor.holder).await.map_err(|why| page.unreadable(&guest, &why))?;
    Ok(Html(show::overview(&page.frame(Some(&guest), None), &view)).into_response())
}

async fn partnership(
    State(page): Shared,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    let view = page.daemon.partnership_view(&guest.visitor.holder, &name).await;
    let view = view.map_err(|why| page.unreadable(&guest, &why))?.ok_or_else(|| page.unknown(&guest))?;
    Ok(Html(show::partnership(&page.frame(Some(&guest), None), &view)).into_response())
}

async fn run(State(page): Shared, headers: HeaderMap, Path(number): Path<i64>) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    let view = page.daemon.run_view(&guest.visitor.holder, RunId(number)).await;
    let view = view.map_err(|why| page.unreadable(&guest, &why))?.ok_or_else(|| page.unknown(&guest))?;
    Ok(Html(show::run(&page.frame(Some(&guest), None), &view)).into_response())
}

async fn audit(State(page): Shared, headers: HeaderMap) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    let form = guest.visitor.form.clone();
    page.allow(&guest, Deed::Audit, form.as_deref())?;
    let rows = page.daemon.audit_rows().await.map_err(|why| page.unreadable(&guest, &why))?;
    Ok(Html(show::audit(&page.frame(Some(&guest), None), &rows)).into_response())
}

async fn login(State(page): Shared, headers: HeaderMap) -> Response {
    match page.guest(&headers).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(response) if response.status() == StatusCode::SEE_OTHER => {
            Html(show::login(&page.frame(None, None))).into_response()
        }
        Err(response) => response,
    }
}

#[derive(Deserialize)]
struct LogIn {
    token: String,
}

async fn log_in(State(page): Shared, Form(form): Form<LogIn>) -> Result<Response, Response> {
    let mut random = [0; 64];
    machine::fill(&mut random);
    let token = zeroize::Zeroizing::new(form.token);
    let now = machine::now();
    let opened = page.looked(|door| door.open(token.trim(), now, &random)).await?;
    let Some(cookie) = opened else {
        let notice =
            Notice::bad("there is no such token", "Tokens are in the configuration, below `[http.tokens]`.");
        return Ok(
            (StatusCode::UNAUTHORIZED, Html(show::login(&page.frame(None, Some(notice))))).into_response()
        );
    };
    let lasts = page.daemon.first.loaded.main.as_ref().map_or(0, |main| main.http.session.as_secs());
    let set = page.set_cookie(&cookie, i64::try_from(lasts).unwrap_or(0));
    Ok(([(header::SET_COOKIE, set)], Redirect::to("/")).into_response())
}

#[derive(Deserialize)]
struct Bare {
    form: Option<String>,
}

async fn log_out(
    State(page): Shared,
    headers: HeaderMap,
    Form(form): Form<Bare>,
) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    if guest.visitor.sent_this(form.form.as_deref())
        && let Some(cookie) = &guest.cookie
    {
        lock(&page.daemon.door).leave(cookie);
    }
    Ok(([(header::SET_COOKIE, page.set_cookie("", 0))], Redirect::to("/login")).into_response())
}

#[derive(Deserialize)]
struct Decide {
    form: Option<String>,
    what: String,
    digest: String,
    school: Option<String>,
    kind: Option<String>,
}

async fn decide(
    State(page): Shared,
    headers: HeaderMap,
    Path(number): Path<i64>,
    Form(form): Form<Decide>,
) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    let holder = guest.visitor.holder.clone();
    let found =
        page.daemon.owner(&holder, RunId(number)).await.map_err(|why| page.unreadable(&guest, &why))?;
    let (partnership, digest) = found.ok_or_else(|| page.unknown(&guest))?;
    page.allow(&guest, Deed::Decide, form.form.as_deref())?;
    let refuse = |text: &str, hint: &str| page.says(&guest, StatusCode::CONFLICT, "Not done", text, hint);
    if digest != form.digest {
        return Err(refuse("The plan is not the one that you looked at.", "Look at it again."));
    }
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (school, kind) = (filled(form.school), filled(form.kind));
    let selection =
        selected(school.as_deref(), kind.as_deref()).map_err(|(what, hint)| refuse(&what, hint))?;
    let run = RunId(number);
    let asked = match form.what.as_str() {
        "approve" => Asked::Approve { run, selection, digest },
        "discard" => Asked::Discard { run, selection },
        _ => return Err(refuse("It was neither to approve nor to discard.", "")),
    };
    let said = act(&page.daemon, &partnership, &holder.name, asked).await;
    Ok(page.tell(&guest, said, &format!("/run/{number}")))
}

#[derive(Deserialize)]
struct Answered {
    form: Option<String>,
    answer: String,
    barcode: Option<String>,
}

async fn answer(
    State(page): Shared,
    headers: HeaderMap,
    Path((name, number)): Path<(String, i64)>,
    Form(form): Form<Answered>,
) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    seen(&page, &guest, &name)?;
    page.allow(&guest, Deed::Answer, form.form.as_deref())?;
    let Some(answer) = ReviewAnswer::from_word(&form.answer) else {
        return Err(page.says(&guest, StatusCode::BAD_REQUEST, "Not done", "This is no answer.", ""));
    };
    let barcode = form.barcode.as_deref().and_then(Personal::non_blank);
    let asked = Asked::Answer { number, answer, barcode };
    let said = act(&page.daemon, &name, &guest.visitor.holder.name, asked).await;
    Ok(page.tell(&guest, said, &format!("/partnership/{name}")))
}

#[derive(Deserialize)]
struct Paused {
    form: Option<String>,
    until: String,
    reason: String,
}

async fn pause(
    State(page): Shared,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(form): Form<Paused>,
) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    seen(&page, &guest, &name)?;
    page.allow(&guest, Deed::Pause, form.form.as_deref())?;
    let asked = Asked::Pause { until: form.until, reason: form.reason };
    let said = act(&page.daemon, &name, &guest.visitor.holder.name, asked).await;
    Ok(page.tell(&guest, said, &format!("/partnership/{name}")))
}

async fn resume(
    State(page): Shared,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(form): Form<Bare>,
) -> Result<Response, Response> {
    let guest = page.guest(&headers).await?;
    seen(&page, &guest, &name)?;
    page.allow(&guest, Deed::Pause, form.form.as_deref())?;
    let said = act(&page.daemon, &name, &guest.visitor.holder.name, Asked::Resume).await;
    Ok(page.tell(&guest, said, &format!("/partnership/{name}")))
}

/// A partnership that this visitor sees; of any other it is not said that there is one.
#[expect(clippy::result_large_err, reason = "an answer is what the handlers return either way")]
fn seen(page: &Page, guest: &Guest, name: &str) -> Result<(), Response> {
    let known = lock(&page.daemon.now).good.contains_key(name);
    if known && guest.visitor.holder.sees(name) { Ok(()) } else { Err(page.unknown(guest)) }
}
