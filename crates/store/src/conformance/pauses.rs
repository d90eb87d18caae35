//! Pauses.

use super::sample::moment;
use crate::rows::{NewPause, PauseScope};
use crate::store::Store;

/// A pause is in force from its beginning until its end, or until somebody ends it; afterwards it is still known.
pub async fn a_pause_holds_until_its_end_or_until_it_is_resumed(store: &impl Store) {
    let pause = |scope, from, to| NewPause {
        scope,
        since: moment(from),
        until: moment(to),
        reason: "an upgrade".into(),
        who: "pat".into(),
    };
    let ils = PauseScope::Ils("main".into());
    store.pause(pause(ils.clone(), 100, 200)).await.unwrap();
    store.pause(pause(PauseScope::Everything, 150, 300)).await.unwrap();
    store.pause(pause(PauseScope::Partnership("one".into()), 50, 60)).await.unwrap();

    let on = async |at| {
        let all = store.pauses().await.unwrap();
        all.into_iter().filter(|p| p.is_on(moment(at))).map(|p| p.asked.scope).collect::<Vec<_>>()
    };
    assert_eq!(on(99).await, []);
    assert_eq!(on(100).await, std::slice::from_ref(&ils));
    assert_eq!(on(199).await, [ils.clone(), PauseScope::Everything]);
    assert_eq!(on(200).await, [PauseScope::Everything]);

    assert_eq!(store.resume(&PauseScope::Ils("other".into()), moment(160), "kim").await.unwrap(), 0);
    assert_eq!(store.resume(&ils, moment(160), "kim").await.unwrap(), 1);
    assert_eq!(store.resume(&ils, moment(161), "kim").await.unwrap(), 0, "it is over");
    assert_eq!(on(165).await, [PauseScope::Everything]);
    let all = store.pauses().await.unwrap();
    let over = all.iter().find(|p| p.asked.scope == ils).unwrap();
    assert_eq!((over.end(), &over.asked), (moment(160), &pause(ils, 100, 200)));
    assert_eq!(over.resumed, Some((moment(160), "kim".to_owned())));
    assert!(all.iter().any(|p| p.asked.scope.holds_for("two", "main")));
    assert!(!PauseScope::Partnership("one".into()).holds_for("two", "main"));
}
