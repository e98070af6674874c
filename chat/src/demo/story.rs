//! Who the made-up people are, what they have written, and what they will write.

use sealpost_core::ids::Phone;
use sealpost_messenger::api::{
    Body, Connection, Contact, Entry, FileState, GroupId, GroupStanding, KeyTrust, Mention,
    OfferedKey, Peer, PhoneNumber, Progress, Reaction, Role, Trust,
};

use super::groups::group;
use super::methods::quote;
use super::world::{Plan, World};

/// A phone number that belongs to nobody.
#[expect(clippy::expect_used, reason = "the number is written here")]
pub(super) fn phone(number: u64) -> PhoneNumber {
    let written = format!("+1555010{:04}", number % 10_000);
    PhoneNumber(written.parse::<Phone>().expect("a phone number"))
}

/// Tells what happened before now, and plans what will happen.
pub(super) fn tell(world: &mut World) {
    introduce(world);
    yesterday(world);
    today(world);
    plan(world);
}

/// A contact.
pub(super) fn contact(phone: PhoneNumber, name: Option<&str>, trust: KeyTrust) -> Contact {
    Contact {
        phone,
        name: name.map(str::to_owned),
        id: phone.0.digits() % 10_000,
        fingerprint: format!("{:064x}", phone.0.digits()),
        safety_number: safety_number(phone.0.digits()),
        trust,
        offered: None,
        blocked: false,
    }
}

/// Somebody answers what was written.
pub(super) fn answer(world: &mut World, with: Peer, entry: u64) {
    let from = match with {
        Peer::Person(phone) => phone,
        Peer::Group(_) => {
            world.plan(3, Plan::React { entry, from: ANNA(), emoji: "👍" });
            BEN()
        }
    };
    let answers: &[&str] = if from == BOT() { &FORECASTS } else { &ANSWERS };
    let text = world.answers.checked_rem(answers.len()).and_then(|at| answers.get(at));
    world.answers = world.answers.saturating_add(1);
    let text = text.copied().unwrap_or_default().to_owned();
    world.plan(5, Plan::Write { with, from, body: Body::Text { text } });
}

fn introduce(world: &mut World) {
    for (phone, name, trust) in [
        (ANNA(), "Anna Lind", KeyTrust::Verified),
        (BEN(), "Ben Okafor", KeyTrust::FirstUse),
        (MUM(), "Mum", KeyTrust::Verified),
        (SARAH(), "שרה כהן", KeyTrust::FirstUse),
        (TANAKA(), "田中さん", KeyTrust::FirstUse),
        (BOT(), "Weather bot", KeyTrust::FirstUse),
    ] {
        world.contacts.insert(phone, contact(phone, Some(name), trust));
        world.begin(Peer::Person(phone), Some(name));
        if let Some(conversation) = world.conversation(Peer::Person(phone)) {
            conversation.verified = trust == KeyTrust::Verified;
        }
    }
    world.begin(FAMILY, Some("Family"));
    world.members.insert(FAMILY, vec![ANNA(), BEN(), MUM()]);
    let account = world.account;
    if let Some(family) = world.conversation(FAMILY) {
        let people = [(ANNA(), Role::Successor(1)), (BEN(), Role::Member), (MUM(), Role::Member)];
        let own = (account, Role::Owner, GroupStanding::Joined);
        family.group = Some(Box::new(group(FAMILY, "Family", &people, own)));
    }
    if let Some(ben) = world.contacts.get_mut(&BEN()) {
        let safety_number = safety_number(77);
        ben.offered = Some(OfferedKey { fingerprint: "ab".repeat(32), safety_number });
    }
    if let Some(conversation) = world.conversation(Peer::Person(BEN())) {
        conversation.key_changed = true;
    }
}

fn yesterday(world: &mut World) {
    let anna = Peer::Person(ANNA());
    for line in 1..=40 {
        let text = format!("Day {line} of the walk: {} km, and the hut was open.", 9 + line % 7);
        say(world, -(86_400 * 3) + line * 60, anna, Some(ANNA()), &text);
    }
    say(
        world,
        -80_000,
        Peer::Person(TANAKA()),
        Some(TANAKA()),
        "写真をありがとうございます。\nとてもきれいですね！",
    );
    say(world, -79_000, Peer::Person(TANAKA()), None, "どういたしまして 🙂");
    say(world, -70_000, Peer::Person(SARAH()), Some(SARAH()), "שלום! נתראה ב-8?");
    say(world, -69_900, Peer::Person(SARAH()), None, "Yes, at eight. להתראות");
    say(world, -68_000, Peer::Person(BEN()), Some(BEN()), "Here are the keys of the boat house.");
    let mut gap = world.received(
        Peer::Person(BEN()),
        BEN(),
        Body::Text { text: "Did you get them?".to_owned() },
    );
    gap.after_gap = true;
    add(world, -67_000, gap);
    for offset in [-66_000, -65_990] {
        let unopened = world.received(Peer::Person(BEN()), BEN(), Body::Undecryptable);
        add(world, offset, unopened);
    }
    let mut changed = world.received(
        Peer::Person(BEN()),
        BEN(),
        Body::Text { text: "New phone, it's me!".to_owned() },
    );
    changed.trust = Some(Trust::Changed);
    add(world, -65_000, changed);
    say(world, -60_000, Peer::Person(BOT()), None, "Oslo");
    say(
        world,
        -59_999,
        Peer::Person(BOT()),
        Some(BOT()),
        "Oslo, tomorrow: -2 to 3 °C\n  08:00  snow      ❄\n  12:00  clouds    ☁\n  18:00  clear     ☀\nhttps://weather.example/oslo",
    );
    see_all(world);
}

fn today(world: &mut World) {
    let anna = Peer::Person(ANNA());
    say(world, -7_200, anna, Some(ANNA()), "Are you coming on Thursday?");
    let question = last(world);
    let own = say(world, -7_100, anna, None, "Yes! I'll bring the rope, and the good coffee.");
    let mut photo = world.received(
        anna,
        ANNA(),
        Body::File {
            file: "1".to_owned(),
            name: "route.png".to_owned(),
            media_type: "image/png".to_owned(),
            size: 1_234_567,
            done: 1_234_567,
            state: FileState::Complete,
            reason: None,
            path: Some(PHOTO.to_owned()),
            text: "This is the one I mean. The description is at https://climb.example/routes/42"
                .to_owned(),
            recipients: Vec::new(),
        },
    );
    photo.reactions = vec![
        Reaction { from: Some(BEN()), emoji: "😮".to_owned() },
        Reaction { from: None, emoji: "👍".to_owned() },
    ];
    add(world, -6_900, photo);
    say(world, -6_800, FAMILY, Some(MUM()), "Dinner on Sunday at seven? 👨‍👩‍👧‍👦");
    let dinner = last(world);
    let recipe = file("pear tart.pdf", "application/pdf", 482_310, "In case you bake it yourself.");
    let recipe = world.received(Peer::Person(MUM()), MUM(), recipe);
    add(world, -6_750, recipe);
    say(world, -6_700, FAMILY, Some(BEN()), "I'm in.");
    let mut reply =
        world.sent(FAMILY, Body::Text { text: "Me too. Shall I bring dessert?".to_owned() });
    reply.reply_to = quote(world, dinner);
    reply.progress = Some(Progress::Delivered);
    reply.copies = world.copies(FAMILY);
    for (copy, progress) in
        reply.copies.iter_mut().zip([Progress::Read, Progress::Delivered, Progress::Delivered])
    {
        copy.progress = progress;
    }
    add(world, -6_600, reply);
    world.change(own, |entry| entry.progress = Some(Progress::Read));
    see_all(world);

    let text = "Yes please @Kai, the one with pears.".to_owned();
    let mut pears = world.received(FAMILY, MUM(), Body::Text { text });
    pears.mentions = vec![Mention { start: 11, length: 4, number: Some(world.account) }];
    add(world, -600, pears);
    say(world, -590, FAMILY, Some(ANNA()), "🍐🍐🍐");
    let mut reply = world.received(
        anna,
        ANNA(),
        Body::Text {
            text:
                "Then we are four. Ben takes the early train, so don't wait for him at the station."
                    .to_owned(),
        },
    );
    reply.reply_to = quote(world, question);
    add(world, -300, reply);
    let now = world.now;
    let mut edited = world.received(
        anna,
        ANNA(),
        Body::Text { text: "Meet at the north gate at 8:15.".to_owned() },
    );
    edited.edited_at = Some(now);
    add(world, -240, edited);
    let deleted = world.received(anna, ANNA(), Body::Deleted);
    add(world, -200, deleted);
}

/// A file that is offered.
pub(super) fn file(name: &str, media_type: &str, size: u64, text: &str) -> Body {
    Body::File {
        file: "2".to_owned(),
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        size,
        done: 0,
        state: FileState::Offered,
        reason: None,
        path: None,
        text: text.to_owned(),
        recipients: Vec::new(),
    }
}

fn plan(world: &mut World) {
    let write = |with, from, text: &str| Plan::Write {
        with,
        from,
        body: Body::Text { text: text.to_owned() },
    };
    world.plan(8, write(FAMILY, BEN(), "Pears! 🎉"));
    let people = [(SARAH(), Role::Owner), (ANNA(), Role::Member)];
    let invited = (world.account, Role::Member, GroupStanding::Invited);
    world.plan(
        60,
        Plan::Invite {
            group: Box::new(group(CHOIR, "Choir", &people, invited)),
            text: "שרה כהן invites you to the group “Choir”.",
        },
    );
    world.plan(
        20,
        write(Peer::Person(MUM()), MUM(), "Call me when you have a moment. Nothing urgent."),
    );
    let (since, next_attempt) = (world.later(40), Some(world.later(46)));
    let reason = "the network is unreachable".to_owned();
    world.plan(40, Plan::Connection(Connection::Offline { since, reason, next_attempt }));
    world.plan(46, Plan::Connection(Connection::Online { since: world.later(46), waiting: None }));
}

fn say(world: &mut World, offset: i64, with: Peer, from: Option<PhoneNumber>, text: &str) -> u64 {
    let body = Body::Text { text: text.to_owned() };
    let entry = match from {
        Some(from) => world.received(with, from, body),
        None => Entry {
            progress: Some(Progress::Delivered),
            copies: world.copies(with),
            ..world.sent(with, body)
        },
    };
    add(world, offset, entry)
}

fn add(world: &mut World, offset: i64, entry: Entry) -> u64 {
    let at = world.later(offset);
    let received_at = entry.received_at.map(|_| at);
    world.add(Entry { sent_at: at, received_at, ..entry })
}

fn last(world: &World) -> u64 {
    world.entries.last().map_or(0, |entry| entry.entry)
}

fn see_all(world: &mut World) {
    let last = last(world);
    let with: Vec<Peer> = world.conversations.iter().map(|known| known.with).collect();
    world.seen.extend(with.into_iter().map(|with| (with, last)));
}

/// Sixty digits that differ for different seeds.
fn safety_number(seed: u64) -> String {
    let mut state = seed;
    let mut group = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:05}", (state >> 33) % 100_000)
    };
    (0..12).map(|_| group()).collect::<Vec<_>>().join(" ")
}

macro_rules! people {
    ($($name:ident = $number:literal;)+) => {
        $(#[expect(non_snake_case, reason = "a name")]
        fn $name() -> PhoneNumber {
            phone($number)
        })+
    };
}

people! {
    ANNA = 101;
    BEN = 102;
    MUM = 103;
    SARAH = 104;
    TANAKA = 105;
    BOT = 106;
}

/// Path of a picture that the demo has.
pub(super) const PHOTO: &str = "~/.sealpost/files/route.png";

const FAMILY: Peer = Peer::Group(GroupId([0xfa; 16]));
const CHOIR: Peer = Peer::Group(GroupId([0xc0; 16]));

const ANSWERS: [&str; 4] = [
    "Good to know, thanks!",
    "Ha, I was about to ask the same.",
    "Let me think about it and tell you tonight.",
    "👍",
];

const FORECASTS: [&str; 2] =
    ["Tomorrow: 4 °C, light rain until noon.", "Tomorrow: 7 °C, sunny. Take the good shoes."];
