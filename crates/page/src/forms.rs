//! Logging in, and what is shown while nobody can.

use maud::html;

use crate::layout::page;
use crate::view::Frame;

/// The form for a token.
#[must_use]
pub fn login(frame: &Frame) -> String {
    let body = html! {
        div.message {
            h1 { "Log in" }
            p { "Your administrator has given you a token. It is yours alone: what you do here is noted under its name." }
            form.act method="post" action="/login" {
                p.field {
                    label for="token" { "Token" }
                    input type="password" name="token" id="token" required autocomplete="current-password" maxlength="512";
                }
                p.buttons { button.main type="submit" { "Log in" } }
            }
        }
    };
    page(frame, "Log in", "", &body)
}

/// What is shown where no token is configured: how to make one, and nothing else.
#[must_use]
pub fn no_tokens(frame: &Frame) -> String {
    let body = html! {
        div.message {
            h1 { "Nobody can log in yet" }
            p { "This page shows how the library's partnerships stand. It is shown to whoever holds a token, and there is none. Make one:" }
            pre tabindex="0" aria-label="Commands" { code {
                "install -m 600 /dev/null /etc/rostercard/kim.token\n"
                "openssl rand -hex 32 > /etc/rostercard/kim.token"
            } }
            p { "Then add to " code { "rostercard.toml" } ":" }
            pre tabindex="0" aria-label="Lines for rostercard.toml" { code {
                "[http.tokens.kim]\n"
                "role = \"viewer\"          # or approver, administrator\n"
                "token = { file = \"/etc/rostercard/kim.token\" }"
            } }
            p { "and have the daemon read it: " code { "systemctl reload rostercard" } ". " code { "rostercard check" } " says what is wrong, if anything is." }
        }
    };
    page(frame, "Nobody can log in yet", "", &body)
}
