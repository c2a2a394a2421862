//! Small machines made of files, configured by the program itself.

mod defer;
mod documented;
mod golden;
mod hostile;
mod https;
mod power_cut;
mod quota;
mod rename;
mod support;
