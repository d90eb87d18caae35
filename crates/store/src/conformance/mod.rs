//! The suite that every store must pass. A case is given a new, empty store and panics at the first thing that is not
//! as [`Store`](crate::Store) says.
//!
//! `store_conformance!(make)` makes a test of every case; `make` is an async function that returns a new store and
//! whatever has to live as long (a directory, a database). [`every_store_must`] runs them one after the other. What a
//! store does on its own ground (files, locks, keys, what its bytes show) is not here.

#![expect(clippy::unwrap_used, reason = "a case stops at the first surprise")]

pub mod decisions;
pub mod journal;
pub mod keep;
pub mod ledger;
pub mod partnerships;
pub mod pauses;
pub mod pins;
pub mod plans;
pub mod runs;
pub mod sample;

/// Names every case once: for the list, for [`every_store_must`] and for `store_conformance!`. `$d` is a dollar sign,
/// which a macro in a macro cannot write.
macro_rules! cases {
    ($d:tt $($module:ident :: $case:ident,)+) => {
        /// The names of all cases.
        pub const CASES: &[&str] = &[$(concat!(stringify!($module), "::", stringify!($case))),+];

        /// Runs every case, each on a store of its own.
        pub async fn every_store_must<S, K, F, Fut>(make: F)
        where
            S: crate::Store,
            F: Fn() -> Fut,
            Fut: Future<Output = (S, K)>,
        {
            $({
                let (store, _keep) = make().await;
                $module::$case(&store).await;
            })+
        }

        /// Makes a `#[tokio::test]` of every case of the conformance suite.
        #[macro_export]
        macro_rules! store_conformance {
            ($d make:expr) => {
                $(
                    #[tokio::test]
                    async fn $case() {
                        let (store, _keep) = $d make().await;
                        $d crate::conformance::$module::$case(&store).await;
                    }
                )+
            };
        }
    };
}

cases! { $
    partnerships::a_partnership_is_made_once,
    partnerships::what_was_let_through_stays_until_something_else_is,
    partnerships::schools_have_the_label_they_had_last,
    ledger::links_come_back_as_they_were_written,
    ledger::the_index_is_in_order_of_people,
    ledger::a_person_has_one_link_in_a_partnership,
    ledger::missing_people_are_noted_and_come_back,
    ledger::no_two_people_have_one_number_in_an_ils,
    ledger::a_batch_of_links_is_written_whole_or_not_at_all,
    ledger::one_child_is_found_in_another_partnership,
    ledger::a_card_goes_to_another_partnership_with_its_pin,
    ledger::links_are_counted_by_state,
    ledger::links_are_counted_for_reports,
    plans::a_persons_changes_are_found_newest_first,
    runs::a_run_comes_back_as_it_was_written,
    runs::the_newest_runs_come_first,
    runs::decisions_are_kept_in_order,
    decisions::a_wish_holds_until_it_is_ended,
    decisions::answers_are_kept_with_what_the_ledger_learns,
    decisions::links_go_along_with_new_keys,
    decisions::a_cursor_stays_until_a_newer_one,
    decisions::a_partnership_moves_with_its_links,
    pauses::a_pause_holds_until_its_end_or_until_it_is_resumed,
    pins::pins_are_kept_until_their_batch_is_confirmed,
    pins::a_new_pin_is_in_no_batch,
    keep::the_audit_log_has_who_did_what,
    keep::before_values_go_after_their_time,
    keep::what_an_expired_plan_wanted_goes,
    keep::old_runs_go_and_their_counts_stay,
    keep::what_is_open_or_newest_stays,
    keep::everything_about_a_person_is_told_and_forgotten,
    keep::a_person_who_waits_is_taken_from_the_plan,
    keep::s20_a_purge_leaves_nothing_of_a_partnership,
    keep::s27_decisions_are_mirrored_and_taken_once,
    keep::s20_a_purge_waits_for_open_writes,
    plans::changes_come_in_pages,
    plans::changes_are_counted,
    plans::only_what_is_selected_moves,
    plans::a_change_that_is_over_loses_its_spool,
    plans::a_newer_plan_supersedes_an_older_one,
    plans::an_open_intent_keeps_what_settling_needs,
    journal::an_open_intent_has_everything,
    journal::a_step_is_never_intended_twice,
    journal::numbers_are_drawn_once_and_in_order,
    journal::a_range_that_is_used_up_says_so_and_nothing_is_intended,
    journal::numbers_of_ledger_and_journal_are_skipped,
    journal::a_create_with_another_persons_number_is_refused,
    journal::an_intent_is_sent_again_with_the_same_number,
    journal::a_settlement_is_one,
    journal::a_settlement_that_fails_changes_nothing,
    journal::an_end_is_told_once,
    journal::a_pin_is_kept_until_it_is_handed_out,
    journal::two_hundred_at_once_are_all_kept,
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_has_its_own_name() {
        let mut names = super::CASES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), super::CASES.len());
    }
}
