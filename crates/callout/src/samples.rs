//! Callouts that do what Google's samples of the same names do, and show how one is written.

mod add_header;
mod basic;
mod jwt_auth;
mod redirect;

pub use add_header::AddHeader;
pub use basic::Basic;
pub use jwt_auth::{JwtAuth, PublicKey};
pub use redirect::Redirect;
