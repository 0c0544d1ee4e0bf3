mod hostile;
mod hosts;
mod memory;
mod net;
mod reconciling;
mod standing;
