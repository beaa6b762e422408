//! A non-blocking connection, plain or encrypted, and the trust that encryption needs.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::error::Error;

/// What is needed to encrypt connections to one host.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Protocols and trusted certificates.
    pub config: Arc<ClientConfig>,
    /// The name that the server's certificate must be for.
    pub name: ServerName<'static>,
}

impl TlsSettings {
    /// Trusts the system's certificates and those in `trusted_pem`. `alpn` is the protocol to agree on.
    ///
    /// # Errors
    /// [`Error::Tls`] when the host cannot be named in a certificate or no certificate can be read.
    pub fn new(host: &str, trusted_pem: &str, alpn: &[u8]) -> Result<Self, Error> {
        let wrong = |what: String| Error::Tls(what);
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in CertificateDer::pem_slice_iter(trusted_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(format!("trustedPem: {error}")))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(format!("trustedPem: {error}")))?;
        }
        if roots.is_empty() {
            return Err(wrong(
                "no trusted certificate was found on this system".to_owned(),
            ));
        }
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| wrong(error.to_string()))?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| wrong(format!("host {host}: {error}")))?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

/// A connection of the event loop.
#[derive(Debug)]
pub enum Stream {
    /// Straight TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<Tls>),
}

/// The parts of an encrypted connection.
#[derive(Debug)]
pub struct Tls {
    socket: TcpStream,
    session: ClientConnection,
}

impl Stream {
    /// Begins to connect; whether it worked is known when the socket is writable.
    pub fn connect(address: SocketAddr, tls: Option<&TlsSettings>) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        let Some(tls) = tls else {
            return Ok(Self::Plain(socket));
        };
        let mut session = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())
            .map_err(io::Error::other)?;
        // Requests are handed over before the handshake is done, whatever their size.
        session.set_buffer_limit(None);
        Ok(Self::Tls(Box::new(Tls { socket, session })))
    }

    /// The socket, to register it.
    pub fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &mut tls.socket,
        }
    }

    /// Whether a read that fills less than the buffer has emptied the socket (epoll(7), "edge-triggered").
    pub fn short_read_is_all(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Reads decrypted bytes; 0 at the end of the stream.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Takes plain bytes to send and returns how many it took. Those taken may still be waiting for [`Self::flush`].
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => {
                tls.session.writer().write_all(bytes)?;
                tls.flush()?;
                Ok(bytes.len())
            }
        }
    }

    /// Sends what was taken, as far as the socket takes it now.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

impl Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if self.session.read_tls(&mut self.socket)? == 0 {
                // Without close_notify the end may be an attacker's, so it is no proper end.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let processed = self.session.process_new_packets();
            // An alert that tells the server what is wrong goes out even so.
            self.flush()?;
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
