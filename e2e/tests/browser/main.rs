//! Browsers and caches of others in front of a real Envoy with the filter: Debian's Chromium for
//! preflights, a login and a preview, and nginx as a shared cache.

mod application;
mod cache;
mod chromium;
mod gateway;
mod login;
mod nginx;
mod preflight;
mod preview;
