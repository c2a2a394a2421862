//! `token …`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use contract::encoding::encode_base64;

use super::parse_seconds;
use crate::message::{Done, Request, TokenView, TokenWish};
use crate::place::{Place, PlaceArguments};
use crate::record::{self, Member};
use crate::token::Token;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a token, by which machines may join; it is printed once and kept nowhere
    Create(Create),
    /// Show all tokens, and who used them
    List {
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token back; nodes that joined with it stay
    Revoke {
        /// The part of the token between its first two dots
        #[arg(value_name = "ID")]
        id: String,
        /// Which machine
        #[command(flatten)]
        place: PlaceArguments,
    },
}

/// Which token.
#[derive(Debug, Args)]
pub struct Create {
    /// Roles and groups that it allows
    #[arg(short = 'e', long, value_name = "ROLE", value_delimiter = ',', required = true)]
    role: Vec<String>,
    /// How long it holds
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_seconds)]
    ttl: u64,
    /// How many machines may join with it
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    uses: u32,
    /// The only name that a machine may have that joins with it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which machine
    #[command(flatten)]
    place: PlaceArguments,
}

/// Does what the command line says.
///
/// # Errors
///
/// Why it is not done.
pub fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Create(arguments) => create(arguments)?,
        Verb::List { place, json } => list(&Place::open(&place)?, json)?,
        Verb::Revoke { id, place } => {
            let place = Place::open(&place)?;
            let _: Done =
                Member::require(&place)?.connect(&place)?.ask(&Request::RevokeToken { id: id.clone() })?;
            println!("the token {id} lets nobody in any more");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(arguments: Create) -> Result<()> {
    let place = Place::open(&arguments.place)?;
    let member = Member::require(&place)?;
    let cores = member.endpoints.open(&place.require(crate::paths::AUTHORITY)?)?.cores;
    let token = Token::create(record::trust(&place)?.pin, cores)?;
    let wish = TokenWish {
        id: token.id.clone(),
        public_key: encode_base64(&token.public_key()?),
        roles: arguments.role,
        seconds: arguments.ttl,
        uses: arguments.uses,
        name: arguments.name,
    };
    let _: Done = member.connect(&place)?.ask(&Request::CreateToken(wish))?;
    println!("{token}");
    Ok(())
}

fn list(place: &Place, json: bool) -> Result<()> {
    let tokens: Vec<TokenView> = Member::require(place)?.connect(place)?.ask(&Request::Tokens)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&tokens).context("rendering the tokens")?);
        return Ok(());
    }
    let now = place.clock.now();
    for token in &tokens {
        let left = token.expires.saturating_sub(now);
        let state = match token.uses as usize - token.used_by.len().min(token.uses as usize) {
            _ if left == 0 => "ended".to_owned(),
            0 => "used up".to_owned(),
            free => format!("{free} of {} free, {left} s left", token.uses),
        };
        let name = token.name.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
        println!("{}  {}{name}  {state}", token.id, token.roles.join(","));
    }
    Ok(())
}
