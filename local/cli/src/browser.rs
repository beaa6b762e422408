//! Pages of the console in the person's browser.

use stepfunctions::Cloud;

use crate::interrupt;

/// Opens an address; where no browser is found, the address is told all the same.
pub fn open(address: &str) {
    eprintln!("console: {address}");
    if let Err(error) = ::open::that_detached(address) {
        eprintln!("no browser could be opened: {error}");
    }
}

/// Serves the pages until Ctrl-C or SIGTERM.
pub async fn keep(cloud: &Cloud) {
    eprintln!("the console stays until Ctrl-C");
    interrupt::requested().await;
    cloud.shutdown().await;
}
