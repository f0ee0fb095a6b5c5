//! The live view without a terminal: keys and answers of an agent in, effects and cells out.

mod acting;
mod going;
mod hostile;
mod said;
mod screens;
mod world;
