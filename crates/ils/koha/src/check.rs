//! What can be known before a run: login, permissions, sight, codes, fees and PIN rules. Nothing is written.
//!
//! Koha looks at permissions before it looks at what was sent, so a request that cannot be carried out (a patron without
//! anything, a patron that nobody is) shows whether it would be allowed.

use std::collections::BTreeMap;

use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{ConnectorError, Fault, RejectionKind, Retry};
use rostercard_core::words::Code;
use rostercard_web::Ask;
use serde_json::{Value, json};

use crate::answer::{Meaning, What};
use crate::api::{Asked, NOBODY, Searched, cents};
use crate::directory::{KohaDirectory, SEE_ALL};
use crate::map::MIDDLE_NAME;

/// The codes that partnerships use, to be compared with Koha's.
#[derive(Debug, Clone, Default)]
pub struct CodesInUse {
    /// Categories.
    pub categories: Vec<Code>,
    /// Home branches.
    pub branches: Vec<Code>,
    /// Names of statistical codes.
    pub statistics: Vec<Code>,
}

fn finding(code: &'static str, message: String) -> Finding {
    Finding::new(code, Place::default(), message)
}

/// Login, permissions, sight.
pub(crate) async fn check(koha: &KohaDirectory) -> Result<Vec<Finding>, ConnectorError> {
    let origin = koha.origin();
    let mut findings = Vec::new();
    if koha.api.is_readable_on_the_way() {
        findings.push(finding(
            "ils_plain_http",
            format!(
                "{origin}: plain http: patrons' names and PINs can be read on the way; use https or a VPN"
            ),
        ));
    }
    let (list, sees) = match koha.api.anybody().await {
        Searched::Found(list, sees) => (list, sees),
        Searched::Failed(error) => return Err(error),
    };
    if let Some(record) = list.first() {
        koha.learn_properties(record);
        if !record.has(MIDDLE_NAME) {
            findings.push(finding(
                "koha_property_unknown",
                format!("{origin}: this version of Koha has no {MIDDLE_NAME}: middle names are not kept"),
            ));
        }
    }
    // The login itself is a patron, so one is nobody else.
    if let Some(sees) = sees.filter(|sees| *sees <= 1) {
        findings.push(finding(
            "koha_sees_nobody",
            format!(
                "{origin}: the login sees {sees} of Koha's patrons: if there are more, existing cards cannot be found, and new \
                 ones not read back. {SEE_ALL}"
            ),
        ));
    }
    allowed(koha).await?;
    for kind in koha.settings.attributes.types() {
        match koha.api.search(&json!({ "extended_attributes.code": kind }), 1).await {
            Searched::Found(list, _) if list.is_empty() => findings.push(finding(
                "koha_attribute_unseen",
                format!(
                    "{origin}: no patron has an extended attribute of type {kind} yet: make sure that Koha's administration has it"
                ),
            )),
            Searched::Found(..) => {}
            Searched::Failed(error) => return Err(error),
        }
    }
    Ok(findings)
}

/// Whether the login may create, change and set passwords.
async fn allowed(koha: &KohaDirectory) -> Result<(), ConnectorError> {
    let nothing = || b"{}".to_vec();
    let asks = [
        (What::Create, Ask::post("patrons", nothing())),
        (What::Update, Ask::put(format!("patrons/{NOBODY}"), nothing())),
        (What::Password, Ask::post(format!("patrons/{NOBODY}/password"), nothing())),
    ];
    for (what, ask) in asks {
        match koha.api.ask(what, &ask).await {
            // "Missing property", "not found": it would be allowed.
            Asked::Answered(Meaning::Refused(no)) if no.kind != RejectionKind::Target => {}
            Asked::Answered(Meaning::NoPatron) => {}
            Asked::Answered(Meaning::Refused(no)) => return Err(no.error),
            Asked::Answered(Meaning::Doubt(error)) | Asked::NotSent(error) | Asked::Unanswered(error) => {
                return Err(error);
            }
            Asked::Answered(Meaning::Done(_)) => {
                return Err(ConnectorError::new(
                    Fault::Ils,
                    Retry::NotThisTarget,
                    format!(
                        "{}: {} with nothing in it was accepted: this is no Koha that is known",
                        koha.origin(),
                        what.name()
                    ),
                    "Show this message to whoever runs Koha.",
                ));
            }
        }
    }
    Ok(())
}

impl KohaDirectory {
    /// Compares the codes that partnerships use with Koha's own, and says what categories cost and demand, where this
    /// version tells.
    ///
    /// # Errors
    /// [`ConnectorError`] where Koha cannot be asked.
    pub async fn check_codes(&self, codes: &CodesInUse) -> Result<Vec<Finding>, ConnectorError> {
        let origin = self.origin();
        let mut findings = Vec::new();
        match self.listed("libraries", &["library_id", "branchcode"]).await? {
            None => findings.push(finding(
                "koha_libraries_unknown",
                format!("{origin}: the login may not list libraries, so the codes of home branches are not checked"),
            )),
            Some(there) => findings.extend(
                codes.branches.iter().filter(|code| !there.contains_key(code.as_str())).map(|code| {
                    finding(
                        "koha_no_library",
                        format!("{origin}: Koha has no library {code}: correct [homes]; capitals count"),
                    )
                }),
            ),
        }
        let key = ["patron_category_id", "category_id", "categorycode"];
        match self.listed("patron_categories", &key).await? {
            None => findings.extend(self.unlisted_categories(&codes.categories).await?),
            Some(there) => {
                for code in &codes.categories {
                    match there.get(code.as_str()) {
                        None => findings.push(finding(
                            "koha_no_category",
                            format!(
                                "{origin}: Koha has no category {code}: correct category in [card]; capitals count"
                            ),
                        )),
                        Some(category) => findings.extend(category_findings(&origin, code, category)),
                    }
                }
            }
        }
        findings.extend(
            codes
                .statistics
                .iter()
                .filter(|name| !self.settings.attributes.codes.contains_key(*name))
                .map(|name| {
                    finding(
                        "koha_code_without_place",
                        format!(
                            "{origin}: the statistical code `{name}` has no place in Koha, and is not kept: name one in \
                             [ils.NAME.koha.attributes]"
                        ),
                    )
                }),
        );
        Ok(findings)
    }

    /// A whole list by its codes; `None` where this version or this login has it not.
    async fn listed(
        &self,
        path: &str,
        keys: &[&str],
    ) -> Result<Option<BTreeMap<String, Value>>, ConnectorError> {
        let ask = Ask::get(path).query("_per_page", "-1");
        let answer = match self.api.ask(What::Library, &ask).await {
            Asked::Answered(Meaning::Done(answer)) => answer,
            Asked::Answered(Meaning::Refused(_) | Meaning::NoPatron) => return Ok(None),
            Asked::Answered(Meaning::Doubt(error)) | Asked::NotSent(error) | Asked::Unanswered(error) => {
                return Err(error);
            }
        };
        let Ok(Value::Array(list)) = serde_json::from_slice(&answer.body) else {
            return Err(self.api.unreadable(What::Library, "no list"));
        };
        let code = |one: &Value| keys.iter().find_map(|key| one.get(*key)?.as_str().map(str::to_owned));
        Ok(Some(list.into_iter().filter_map(|one| Some((code(&one)?, one))).collect()))
    }

    /// Where categories cannot be listed: whether anybody has them, and what cannot be known.
    async fn unlisted_categories(&self, codes: &[Code]) -> Result<Vec<Finding>, ConnectorError> {
        let origin = self.origin();
        let mut findings = Vec::new();
        for code in codes {
            match self.api.search(&json!({ "category_id": code.as_str() }), 1).await {
                Searched::Found(list, _) if list.is_empty() => findings.push(finding(
                    "koha_category_unseen",
                    format!(
                        "{origin}: no patron has category {code} yet, and the login cannot list categories: make sure that Koha has it; \
                         capitals count"
                    ),
                )),
                Searched::Found(..) => {}
                Searched::Failed(error) => return Err(error),
            }
        }
        if !codes.is_empty() {
            findings.push(finding(
                "koha_categories_unlisted",
                format!(
                    "{origin}: this version, or this login, does not list categories: see in Koha that the enrolment fee of {} is 0, \
                     and that PINs such as yours are long and strong enough for them",
                    codes.iter().map(Code::as_str).collect::<Vec<_>>().join(", ")
                ),
            ));
        }
        Ok(findings)
    }
}

/// What a category costs, and demands of PINs.
fn category_findings(origin: &str, code: &Code, category: &Value) -> Vec<Finding> {
    let number = |name: &str| match category.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let mut findings = Vec::new();
    if let Some(fee) = number("enrolment_fee").and_then(cents).filter(|fee| *fee > 0) {
        findings.push(finding(
            "koha_fee",
            format!(
                "{origin}: category {code} has an enrolment fee of {}.{:02}: every new card and every change into it is charged; set \
                 it to 0",
                fee / 100,
                fee % 100
            ),
        ));
    }
    let strong =
        category.get("require_strong_password").is_some_and(|flag| *flag == json!(true) || *flag == json!(1));
    if strong {
        findings.push(finding(
            "koha_strong_pins",
            format!(
                "{origin}: category {code} demands strong passwords: PINs of digits alone are refused; turn that off for it"
            ),
        ));
    }
    if let Some(least) = number("min_password_length").filter(|least| *least > 4.0) {
        findings.push(finding(
            "koha_long_pins",
            format!("{origin}: category {code} demands passwords of {least} characters at least: make PINs as long"),
        ));
    }
    findings
}
