//! Hours of the day, written `"12:00-13:00"`, on the library's clock. From the first minute to before the last; over midnight where the
//! first is the later one.

use crate::document::{Node, Value};
use crate::kind::{Kind, Text, Wrong};
use crate::record::Shape;

/// Hours of every day, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first minute, 0 to 1439.
    pub from: u16,
    /// The first minute after, 1 to 1440.
    pub to: u16,
}

/// Reads [`Hours`].
#[derive(Clone, Copy, Debug)]
pub struct AnHours;

impl Kind for AnHours {
    type Out = Hours;
    fn shape(&self) -> Shape {
        Shape::Text
    }
    fn read(&self, node: &Node) -> Result<Hours, Wrong> {
        let wrong = || {
            Wrong::value(
                "is not a span of hours",
                "write a beginning and an end, each as hours and minutes: \"12:00-13:00\", or \"22:00-06:00\" over midnight",
            )
        };
        if !matches!(node.value, Value::String(_)) {
            return Text.read(node).map(|_| Hours { from: 0, to: 1 });
        }
        let text = Text.read(node)?;
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
            let (hour, minute) = (number(hour)?, number(minute)?);
            let at = hour * 60 + minute;
            (minute < 60 && at <= 1_440).then_some(at)
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        match (minute(from), minute(to)) {
            (Some(from), Some(to)) if from != to && from < 1_440 && to > 0 => Ok(Hours { from, to }),
            (Some(from), Some(0)) if from > 0 && from < 1_440 => Ok(Hours { from, to: 1_440 }),
            _ => Err(wrong()),
        }
    }
}
