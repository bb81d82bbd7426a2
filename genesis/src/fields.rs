//! How single fields of the document are written.

/// A number, or its decimal text: canonical JSON writes integers above 2^53 as text.
pub(crate) mod integer {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use serde_json::Value;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let value = Value::deserialize(from)?;
        let integer = match &value {
            Value::Number(number) => number.as_u64(),
            // `parse` alone would take a sign and leading zeros.
            Value::String(text) => text.parse().ok().filter(|one: &u64| one.to_string() == *text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        integer.ok_or_else(|| de::Error::custom(format!("{value} is no integer of 64 bits")))
    }
}

/// Unix milliseconds, or RFC 3339.
pub(crate) mod time_ms {
    pub(crate) use super::integer::serialize;
    use serde::{Deserialize, Deserializer, de};
    use serde_json::Value;
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let value = Value::deserialize(from)?;
        let bad = || de::Error::custom(format!("{value} is neither Unix ms nor RFC 3339"));
        match &value {
            Value::Number(number) => number.as_u64().ok_or_else(bad),
            Value::String(text) => {
                let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| bad())?;
                u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| bad())
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(bad()),
        }
    }
}

/// Balances as decimal text by address; an address that is there twice is refused.
pub(crate) mod alloc {
    use alloy_primitives::{Address, U256};
    use serde::{
        Deserializer, Serializer,
        de::{self, MapAccess, Visitor},
    };
    use std::{collections::BTreeMap, fmt};

    pub(crate) fn serialize<S: Serializer>(
        alloc: &BTreeMap<Address, U256>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let entries = alloc.iter().map(|(address, wei)| (format!("{address:#x}"), wei.to_string()));
        serializer.collect_map(entries)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Address, U256>, D::Error> {
        from.deserialize_map(Balances)
    }

    struct Balances;

    impl<'de> Visitor<'de> for Balances {
        type Value = BTreeMap<Address, U256>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("balances in wei, as decimal text, by address")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut alloc = BTreeMap::new();
            while let Some((address, text)) = map.next_entry::<Address, String>()? {
                let wei = U256::from_str_radix(&text, 10).ok().filter(|_| !text.is_empty());
                let wei = wei.ok_or_else(|| {
                    de::Error::custom(format!("{address} has \"{text}\", which is not wei"))
                })?;
                // Two spellings of one address are two keys of the object.
                if alloc.insert(address, wei).is_some() {
                    return Err(de::Error::custom(format!("{address} is in alloc twice")));
                }
            }
            Ok(alloc)
        }
    }
}
