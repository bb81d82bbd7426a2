//! mooring-relayer
