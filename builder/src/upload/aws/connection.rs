//! The clients of AWS's services, and calls that are waited for and tried again.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use tokio::runtime::Runtime;

use super::failure::{failure, silence};
use crate::upload::{Kind, Patience, UploadError};

/// For a connection to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// For an answer to one call that carries little.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a wait goes on without a look for signals.
const SLICE: Duration = Duration::from_millis(50);

/// Which account, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Profile of the shared configuration; none for the environment's.
    pub profile: Option<String>,
    /// The region.
    pub region: String,
    /// Address of the services instead of AWS's, as `AWS_ENDPOINT_URL` says: part of where an image is.
    pub endpoint: Option<String>,
}

/// Returns the region that the environment or the profile names. Asks nobody.
///
/// # Errors
/// When there is none.
pub fn region(named: Option<String>, profile: Option<&str>) -> Result<String, UploadError> {
    let doing = "looking for the region";
    let mut file = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        file = file.profile_name(profile);
    }
    let chain = RegionProviderChain::first_try(named.map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(file.build());
    let found = runtime(doing)?.block_on(chain.region());
    found.map(|region| region.as_ref().to_owned()).ok_or_else(|| {
        UploadError::input(doing, "no region is named", "name it by --region, AWS_REGION, or in the profile")
    })
}

fn runtime(doing: &str) -> Result<Runtime, UploadError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| {
        UploadError::new(Kind::Local, doing, error, "raise the limit of open files (ulimit -n)")
    })
}

/// The clients. For one thread.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) runtime: Runtime,
    pub(super) patience: Arc<Patience>,
    pub(super) ebs: aws_sdk_ebs::Client,
    pub(super) home: String,
    ec2: BTreeMap<String, aws_sdk_ec2::Client>,
}

impl Connection {
    /// Prepares clients for the region and those that images are copied to. Nobody is asked yet.
    ///
    /// # Errors
    /// When this machine cannot run them.
    pub(super) fn new(
        access: &Access,
        copies: &[String],
        patience: Arc<Patience>,
    ) -> Result<Self, UploadError> {
        let runtime = runtime("preparing to talk to AWS")?;
        let config = runtime.block_on(configuration(access));
        let mut ec2 = BTreeMap::new();
        for region in copies.iter().chain([&access.region]) {
            let own = aws_sdk_ec2::config::Builder::from(&config).region(Region::new(region.clone())).build();
            ec2.insert(region.clone(), aws_sdk_ec2::Client::from_conf(own));
        }
        let ebs = aws_sdk_ebs::Client::new(&config);
        Ok(Self { runtime, patience, ebs, home: access.region.clone(), ec2 })
    }

    /// Returns the client of a region, the home's for one that was not prepared.
    pub(super) fn ec2(&self, region: &str) -> &aws_sdk_ec2::Client {
        self.ec2.get(region).unwrap_or(&self.ec2[&self.home])
    }

    /// Makes a call that does no harm when it is made twice, and again while the failure is a passing one.
    pub(super) fn ask<T, E, F>(&self, doing: &str, call: impl Fn() -> F) -> Result<T, UploadError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut attempt = 1;
        loop {
            let error = match self.wait_for(async { tokio::time::timeout(ANSWER, call()).await })? {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => failure(doing, &error),
                Err(_) => silence(doing),
            };
            self.patience.wait(attempt, error)?;
            attempt += 1;
        }
    }

    /// Waits for `future`, or for a signal.
    pub(super) fn wait_for<F: Future>(&self, future: F) -> Result<F::Output, UploadError> {
        self.runtime.block_on(async {
            let mut future = pin!(future);
            loop {
                self.patience.interrupt.check()?;
                if let Ok(output) = tokio::time::timeout(SLICE, &mut future).await {
                    return Ok(output);
                }
            }
        })
    }
}

/// Reads the shared configuration, and the environment's and its addresses of services. Retries are ours, so that they know of signals and of one budget.
async fn configuration(access: &Access) -> SdkConfig {
    let client = Builder::new().pool_idle_timeout(ANSWER).build_with_connector_fn(|settings, components| {
        let mut connector =
            Connector::builder().proxy_config(ProxyConfig::from_env()).enable_tcp_nodelay(true);
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    });
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(access.region.clone()))
        .http_client(client)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}
