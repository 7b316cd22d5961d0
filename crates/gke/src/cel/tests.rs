//! Expressions and what is said of them, and what they come to over a request.

use super::*;

const ROUTE: Options = Options {
    dialect: Dialect::Crd133,
    attach: AttachPoint::Route,
};
const CRD: Options = Options {
    dialect: Dialect::Crd133,
    attach: AttachPoint::Traffic,
};
const CRD_2026: Options = Options {
    dialect: Dialect::Crd2026,
    attach: AttachPoint::Traffic,
};
const LB: Options = Options {
    dialect: Dialect::LoadBalancer,
    attach: AttachPoint::Traffic,
};
const EDGE: Options = Options {
    dialect: Dialect::LoadBalancer,
    attach: AttachPoint::Edge,
};

/// Compiles and compares each finding's rule and place.
#[track_caller]
fn check(options: Options, text: &str, expected: &[(Rule, &str)]) {
    let compiled = compile(text, options);
    let found: Vec<(Rule, &str)> = compiled
        .findings
        .iter()
        .map(|finding| (finding.rule, finding.span.of(text)))
        .collect();
    assert_eq!(found, expected, "{text}: {:#?}", compiled.findings);
    let refused = compiled.findings.iter().any(Finding::is_error);
    assert_eq!(compiled.is_refused(), refused, "{text}");
}

/// The same for one finding, with its words.
#[track_caller]
fn says(options: Options, text: &str, place: &str, expected: &str) {
    let compiled = compile(text, options);
    let [finding] = &compiled.findings[..] else {
        panic!("{text}: {:#?}", compiled.findings);
    };
    assert_eq!(
        (finding.span.of(text), finding.to_string().as_str()),
        (place, expected),
        "{text}"
    );
}

/// Applies the fixes until there are none, and compares.
#[track_caller]
fn mends(options: Options, text: &str, expected: &str) {
    let mut mended = text.to_owned();
    for _ in 0..8 {
        let fixes = compile(&mended, options)
            .findings
            .into_iter()
            .find_map(|found| found.fix);
        let Some(fix) = fixes else { break };
        mended.replace_range(fix.span.range(), &fix.replacement);
    }
    assert_eq!(mended, expected, "{text}");
    assert!(!compile(&mended, options).is_refused(), "{mended}");
}

/// Evaluates over one request that has a little of everything.
#[track_caller]
fn evaluates(text: &str, expected: Result<bool, EvalErrorKind>) {
    let compiled = compile(text, LB);
    let matcher = compiled
        .matcher
        .unwrap_or_else(|| panic!("{text}: {:#?}", compiled.findings));
    let headers = headers();
    let found = matcher
        .evaluate(&request(&headers))
        .map_err(|error| error.kind);
    assert_eq!(found, expected, "{text}");
    let verdict = match expected {
        Ok(true) => Verdict::True,
        Ok(false) => Verdict::False,
        Err(kind) => Verdict::Error(kind),
    };
    assert_eq!(
        matcher.explain(&request(&headers)).verdict,
        verdict,
        "{text}"
    );
}

type Fields = [(&'static str, &'static [u8]); 6];

fn headers() -> Fields {
    [
        ("Accept", b"text/html"),
        ("x-count", b"42"),
        ("x-latin", b"caf\xe9"),
        ("X-Many", b"a"),
        ("x-many", b"b"),
        ("x-empty", b""),
    ]
}

fn request<'r>(headers: &'r Fields) -> Request<'r> {
    Request {
        method: b"POST",
        query: b"a=1&b=2",
        scheme: b"https",
        source_address: b"192.0.2.7",
        source_port: 4711,
        sni: b"store.example.com",
        ..Request::new(b"store.example.com", b"/Shop/serviceextensions", headers)
    }
}

#[test]
fn the_documented_expression_is_accepted_everywhere() {
    for options in [ROUTE, CRD, CRD_2026, LB, EDGE] {
        check(
            options,
            r#"request.path.contains("serviceextensions")"#,
            &[],
        );
    }
    evaluates(r#"request.path.contains("serviceextensions")"#, Ok(true));
}

#[test]
fn what_the_field_admits_beyond_the_obvious_is_accepted() {
    check(CRD, "1 == 1", &[]);
    check(CRD, r#"request.path.lowerAscii().contains("a")"#, &[]);
    check(CRD, r#"int(request.headers["x"]) > 5"#, &[]);
    check(CRD, r#"request.path.matches("/a.*")"#, &[]);
    check(
        CRD,
        r#"request.host == 'a' && (request.scheme != "b" || !(1 >= 2))"#,
        &[],
    );
    check(CRD, r#"request.path.matches(R"\.js$")"#, &[]);
    check(CRD_2026, "request.backend_service_num_endpoints < 3", &[]);
}

#[test]
fn the_reference_names_what_the_field_does_not_admit() {
    use Rule::FieldPattern;
    check(
        CRD,
        r#"source.ip == "192.0.2.1""#,
        &[(FieldPattern, "source.ip")],
    );
    check(
        CRD,
        r#"connection.sni == "a""#,
        &[(FieldPattern, "connection.sni")],
    );
    check(
        CRD,
        r#"request.backend_service_name == "a""#,
        &[(FieldPattern, "request.backend_service_name")],
    );
    check(
        CRD,
        "request.backend_service_project_number == 1",
        &[(FieldPattern, "request.backend_service_project_number")],
    );
    check(
        CRD,
        r#"request.path.lower() == "a""#,
        &[(FieldPattern, "lower")],
    );
    check(
        CRD,
        r#"request.path.upper() == "A""#,
        &[(FieldPattern, "upper")],
    );
    check(CRD, "true", &[(FieldPattern, "true")]);
    check(
        CRD,
        "request.path == '/a' && false",
        &[(FieldPattern, "false")],
    );
    check(CRD, "has(request.headers)", &[(FieldPattern, "has")]);
    check(CRD, "source.port > -1", &[(FieldPattern, "-")]);
    check(CRD, "size(request.path) > 1", &[(FieldPattern, "size")]);
    check(CRD, "request.path in ['/a', '/b']", &[(FieldPattern, "in")]);
    check(CRD, "1 == 1 ? 1 == 2 : 1 == 3", &[(FieldPattern, "?")]);
    let needs = "request.backend_service_num_endpoints > 1";
    check(
        CRD,
        needs,
        &[(FieldPattern, "request.backend_service_num_endpoints")],
    );
}

#[test]
fn a_character_that_literals_do_not_hold_is_pointed_at() {
    for bad in [
        " ", "?", "@", "#", "^", "[", "]", "{", "}", "|", "<", ">", "é",
    ] {
        let text = format!("request.path.contains('/a{bad}b')");
        check(CRD, &text, &[(Rule::FieldPattern, bad)]);
    }
    check(CRD, "request.path == 'a\nb'", &[(Rule::FieldPattern, "'a")]);
    check(CRD, "request.path == R\"a'b\"", &[]);
    check(CRD, "request.path == \"a\n", &[(Rule::FieldPattern, "\"a")]);
}

#[test]
fn the_field_says_its_own_word() {
    says(
        CRD,
        r#"source.ip == "a""#,
        "source.ip",
        "`source.ip` is not admitted by the field; the CRD has `source.address`",
    );
    says(
        CRD,
        "request.pth == 'a'",
        "request.pth",
        "`request.pth` is not admitted by the field; did you mean `request.path`?",
    );
    says(
        CRD,
        "1 == 1\n",
        "\n",
        "the line end after the expression is not admitted by the field; a block scalar `|` keeps \
         the last line end; write the expression plain or as `>-`",
    );
    says(
        CRD,
        "",
        "",
        "an empty expression is not admitted by the field; leave `matchCondition` out to match \
         every request",
    );
    says(
        LB,
        "request.pth == 'a'",
        "request.pth",
        "there is no attribute `request.pth`; did you mean `request.path`?",
    );
    says(
        LB,
        "request.path == 1",
        "request.path == 1",
        "`==` compares a string with an integer; `int(…)` makes an integer of a string",
    );
}

#[test]
fn one_right_answer_is_offered() {
    mends(CRD, "source.ip == 'a'", "source.address == 'a'");
    mends(
        CRD,
        "connection.sni.lower() == 'a'",
        "connection.requested_server_name.lowerAscii() == 'a'",
    );
    mends(CRD, "true", "1 == 1");
    mends(
        CRD,
        "request.path.matches(r'a.*b')",
        "request.path.matches(R\"a.*b\")",
    );
    mends(
        CRD,
        "request.path.matches(\"\\.js$\")",
        "request.path.matches(R\"\\.js$\")",
    );
    mends(CRD, "request.path == “/a”", "request.path == \"/a\"");
    mends(
        CRD,
        "request.path = 'a' and 1 == 1",
        "request.path == 'a' && 1 == 1",
    );
    mends(
        CRD,
        "request.headers['X-A'] == ''",
        "request.headers['x-a'] == ''",
    );
    mends(
        LB,
        "request.path.startswith('a')",
        "request.path.startsWith('a')",
    );
}

#[test]
fn typographic_quotes_pass_the_pattern_and_no_further() {
    assert_eq!(Dialect::Crd133.stops_at("request.path == “/a”"), None);
    check(CRD, "request.path == “/a”", &[(Rule::CurlyQuotes, "“/a”")]);
    assert_eq!(Rule::CurlyQuotes.reason(), Some("InvalidCELExpression"));
}

#[test]
fn text_that_is_not_cel_is_pointed_at() {
    use Rule::Syntax;
    check(CRD, "request.path == == 'a'", &[(Syntax, "==")]);
    check(CRD, "request.path ==", &[(Syntax, "")]);
    check(CRD, "(1 == 1", &[(Syntax, "(")]);
    check(CRD, "1 == 1)", &[(Syntax, ")")]);
    check(CRD, "request.headers['a')", &[(Syntax, ")")]);
    check(CRD, r#"request.path.matches("\.js")"#, &[(Syntax, r"\.")]);
    check(LB, "request.path @ 'a'", &[(Syntax, "@")]);
    check(LB, "'é' 1", &[(Syntax, "1")]);
    check(LB, "'é'\n 1", &[(Syntax, "1")]);
    check(LB, "loop == 'a'", &[(Syntax, "loop")]);
    check(LB, "", &[(Syntax, "")]);
    check(LB, "request.?path == 'a'", &[(Syntax, ".")]);
    check(
        CRD,
        "request.headers.if == 'a'",
        &[(Rule::FieldPattern, "if")],
    );
}

#[test]
fn names_are_checked() {
    check(
        LB,
        "request.nosuch == 'a'",
        &[(Rule::UnknownAttribute, "request.nosuch")],
    );
    check(LB, "path == 'a'", &[(Rule::UnknownAttribute, "path")]);
    check(LB, "request == 'a'", &[(Rule::UnknownAttribute, "request")]);
    check(LB, "a.b.c.d == 'a'", &[(Rule::UnknownAttribute, "a.b.c")]);
    check(
        LB,
        "request.path.trim() == 'a'",
        &[(Rule::UnknownFunction, "trim")],
    );
    check(
        LB,
        "contains(request.path, 'a')",
        &[(Rule::UnknownFunction, "contains")],
    );
    check(
        LB,
        "request.path.foo == 'a'",
        &[(Rule::Type, "request.path.foo")],
    );
    check(
        LB,
        "['a'].exists(x, x == 'a')",
        &[(Rule::UnknownFunction, "exists")],
    );
    check(
        LB,
        "request.nosuch == 'a' || (request.other == 1 && request.path)",
        &[
            (Rule::UnknownAttribute, "request.nosuch"),
            (Rule::UnknownAttribute, "request.other"),
            (Rule::Type, "request.path"),
        ],
    );
}

#[test]
fn types_are_checked() {
    use Rule::Type;
    check(LB, "request.path", &[(Rule::NotBoolean, "request.path")]);
    check(
        LB,
        "(request.headers)",
        &[(Rule::NotBoolean, "request.headers")],
    );
    check(LB, "request.path && true", &[(Type, "request.path")]);
    check(LB, "!source.port", &[(Type, "source.port")]);
    check(
        LB,
        "(source.port) == ('a')",
        &[(Type, "(source.port) == ('a')")],
    );
    check(LB, "request.path['a'] == 'b'", &[(Type, "request.path")]);
    check(LB, "request.headers[1] == 'b'", &[(Type, "1")]);
    check(
        LB,
        "request.headers.contains('a')",
        &[(Type, "request.headers")],
    );
    check(LB, "request.path.contains(1)", &[(Type, "1")]);
    check(LB, "request.path.contains()", &[(Type, "contains()")]);
    check(
        LB,
        "request.path.contains('a', 'b')",
        &[(Type, "contains('a', 'b')")],
    );
    check(
        LB,
        "int(request.headers) == 1",
        &[(Type, "request.headers")],
    );
    check(
        LB,
        "true in ['a']",
        &[(Type, "'a'"), (Rule::Undocumented, "true in ['a']")],
    );
    check(LB, "1 == 1.5", &[(Rule::Literal, "1.5")]);
    check(LB, "request.path == b'a'", &[(Rule::Literal, "b'a'")]);
    check(
        LB,
        "request.headers['a'] == null",
        &[(Rule::Literal, "null")],
    );
    check(LB, "{'a': 1}.a == 1", &[(Rule::Literal, "{'a': 1}")]);
    check(LB, "request.path == ['a']", &[(Rule::Literal, "['a']")]);
}

#[test]
fn what_an_extension_does_not_have_is_refused() {
    check(LB, "request.backend_service_name == 'a'", &[]);
    check(
        EDGE,
        "request.backend_service_name == 'a'",
        &[(Rule::Unavailable, "request.backend_service_name")],
    );
    check(
        CRD,
        "response.code == 200",
        &[(Rule::NoResponseYet, "response.code")],
    );
    check(
        CRD,
        "response.headers['a'] == 'b'",
        &[(Rule::NoResponseYet, "response.headers")],
    );
}

#[test]
fn what_works_and_surprises_is_said() {
    check(
        LB,
        "request.headers['Hello'] != ''",
        &[(Rule::HeaderName, "'Hello'")],
    );
    check(
        LB,
        "request.headers['a b'] != ''",
        &[(Rule::HeaderName, "'a b'")],
    );
    check(LB, "request.headers[':path'] != ''", &[]);
    check(
        LB,
        "source.address == 'a'",
        &[(Rule::Undocumented, "source.address")],
    );
    check(
        CRD,
        "source.address == 'a'",
        &[(Rule::Assumption, "source.address")],
    );
    check(CRD, "connection.requested_server_name == 'a'", &[]);
    check(
        LB,
        "request.path in ['/a']",
        &[(Rule::Undocumented, "request.path in ['/a']")],
    );
    check(
        LB,
        "has(request.headers.accept)",
        &[(Rule::Undocumented, "has")],
    );
    check(
        LB,
        "'a' in request.headers",
        &[(Rule::Undocumented, "'a' in request.headers")],
    );
    check(
        LB,
        "request.headers.accept == 'a'",
        &[(Rule::Undocumented, "request.headers.accept")],
    );
    check(LB, "1 + 1 == 2", &[(Rule::Undocumented, "+")]);
    check(LB, "-source.port < 0", &[(Rule::Undocumented, "-")]);
    check(LB, "source.port > -1", &[]);
}

#[test]
fn lengths_count_characters() {
    let long = |length: usize| {
        let head = "request.path == '";
        format!("{head}{}'", "a".repeat(length - head.len() - 1))
    };
    check(CRD, &long(512), &[]);
    check(CRD, &long(513), &[(Rule::FieldLength, "'")]);
    check(LB, &long(500), &[]);
    check(LB, &long(501), &[(Rule::ExpressionLength, "'")]);
    let regex = |length: usize| format!("request.path.matches('{}')", "a".repeat(length));
    check(CRD, &regex(100), &[]);
    let quoted = format!("'{}'", "a".repeat(101));
    check(CRD, &regex(101), &[(Rule::RegexLength, &quoted)]);
    let wide = format!("request.path == '{}'", "é".repeat(480));
    check(LB, &wide, &[]);
}

#[test]
fn a_condition_is_measured_as_a_whole() {
    let of = |lengths: &[usize]| {
        let texts: Vec<String> = lengths.iter().map(|n| "a".repeat(*n)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        check_condition(&texts, Dialect::Crd133).map(|finding| finding.rule)
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[600]), None);
    assert_eq!(of(&[252, 252]), None);
    assert_eq!(of(&[253, 252]), Some(Rule::ConditionNearLimit));
    assert_eq!(of(&[255, 255]), Some(Rule::ConditionNearLimit));
    assert_eq!(of(&[256, 255]), Some(Rule::ConditionLength));
    assert_eq!(join_any(["1 == 1", "2 == 2"]), "(1 == 1) || (2 == 2)");
    assert_eq!(join_any(["1 == 1"]), "1 == 1");
}

#[test]
fn a_bad_regular_expression_is_pointed_into() {
    check(
        LB,
        r"request.path.matches('(a)\\1')",
        &[(Rule::Regex, r"'(a)\\1'")],
    );
    check(
        LB,
        r"request.path.matches(R'(a)\1')",
        &[(Rule::Regex, r"\1")],
    );
    check(
        LB,
        "request.path.matches('a(?=b)')",
        &[(Rule::Regex, "(?=")],
    );
    check(
        LB,
        "request.path.matches(request.host)",
        &[(Rule::Regex, "request.host")],
    );
    check(LB, "request.path.matches('[é-a]')", &[(Rule::Regex, "é-a")]);
    check(LB, "matches(request.path, 'a**')", &[(Rule::Regex, "*")]);
}

#[test]
fn values_come_from_the_request() {
    evaluates(
        "request.method == 'POST' && request.scheme == 'https'",
        Ok(true),
    );
    evaluates(
        "request.query.contains('b=2') && request.path.endsWith('ns')",
        Ok(true),
    );
    evaluates("request.host == request.headers['host']", Ok(true));
    evaluates(
        "request.headers[':path'] == '/Shop/serviceextensions?a=1&b=2'",
        Ok(true),
    );
    evaluates("request.headers['accept'] == 'text/html'", Ok(true));
    evaluates("request.headers['x-many'] == 'a,b'", Ok(true));
    evaluates("request.headers['x-empty'] == ''", Ok(true));
    evaluates(
        "request.headers['Accept'] == 'text/html'",
        Err(EvalErrorKind::NoSuchHeader),
    );
    evaluates("int(request.headers['x-count']) + 1 == 43", Ok(true));
    evaluates("source.ip == '192.0.2.7' && source.port >= 4711", Ok(true));
    evaluates("connection.sni.endsWith('.example.com')", Ok(true));
    evaluates("request.path.lower().startsWith('/shop')", Ok(true));
    evaluates(
        "request.path.upper() == '/SHOP/SERVICEEXTENSIONS'",
        Ok(true),
    );
    evaluates("request.path > '/S' && request.path <= '/T'", Ok(true));
    evaluates("request.host.matches('.example.com')", Ok(true));
    evaluates("request.headers['x-latin'].matches('^caf.$')", Ok(true));
    evaluates("request.headers['x-latin'].matches('[^a-z]$')", Ok(true));
    evaluates("request.path in ['/a', request.path]", Ok(true));
    evaluates("source.port in [1, 2]", Ok(false));
    evaluates(
        "has(request.headers.accept) && !has(request.headers.nosuch)",
        Ok(true),
    );
    evaluates("has(connection.tls_version)", Ok(false));
    evaluates("('x' + request.method) == 'xPOST'", Ok(true));
    evaluates("size(request.method) == 4 && 'é'.size() == 1", Ok(true));
    evaluates("(source.port > 1 ? 'a' : 'b') == 'a'", Ok(true));
    evaluates("-7 / 2 == -3 && -7 % 2 == -1", Ok(true));
}

#[test]
fn an_error_is_absorbed_only_by_what_decides() {
    use EvalErrorKind::{DivisionByZero, NoSuchAttribute, NoSuchHeader, NotAnInteger, Overflow};
    let missing = "request.headers['no'] == 'a'";
    evaluates(missing, Err(NoSuchHeader));
    evaluates(&format!("!({missing})"), Err(NoSuchHeader));
    evaluates(&missing.replace("==", "!="), Err(NoSuchHeader));
    evaluates(&format!("{missing} || true"), Ok(true));
    evaluates(&format!("true || {missing}"), Ok(true));
    evaluates(&format!("{missing} || false"), Err(NoSuchHeader));
    evaluates(&format!("{missing} && false"), Ok(false));
    evaluates(&format!("false && {missing}"), Ok(false));
    evaluates(&format!("{missing} && true"), Err(NoSuchHeader));
    evaluates(&format!("({missing}) == ({missing})"), Err(NoSuchHeader));
    evaluates(
        "request.path in ['/Shop/serviceextensions', request.headers['no']]",
        Err(NoSuchHeader),
    );
    evaluates("connection.tls_version == 'TLSv1.3'", Err(NoSuchAttribute));
    evaluates("int(request.path) > 5", Err(NotAnInteger));
    evaluates("9223372036854775807 + source.port > 1", Err(Overflow));
    evaluates("1 / 0 == 1", Err(DivisionByZero));
    check(
        CRD,
        "response.code == 200 || 1 == 1",
        &[(Rule::NoResponseYet, "response.code")],
    );
}

#[test]
fn an_explanation_names_what_decided_and_what_was_seen() {
    let explains = |text: &str, expected: &str| {
        let matcher = compile(text, LB).matcher.unwrap();
        let headers = headers();
        assert_eq!(
            matcher.explain(&request(&headers)).to_string(),
            expected,
            "{text}"
        );
    };
    explains(
        "request.method == 'POST' && request.path.contains('zz') && request.host == 'y'",
        "`request.path.contains('zz')` is false: `request.path` is \"/Shop/serviceextensions\"",
    );
    explains(
        "request.method == 'GET' || (request.headers['x-no'] == 'y')",
        "`request.headers['x-no'] == 'y'` is an error (no such header in the request): \
         `request.headers['x-no']`: no such header in the request",
    );
    explains(
        "request.method == 'GET' || request.headers['x-latin'].lower() == 'y'",
        "`request.method == 'GET'` is false: `request.method` is \"POST\"\n\
         `request.headers['x-latin'].lower() == 'y'` is false: `request.headers['x-latin']` is \
         \"caf\\xe9\"",
    );
    explains(
        "!(request.method == 'POST')",
        "`request.method == 'POST'` is true: `request.method` is \"POST\"",
    );
    explains(
        "source.port in [1, 2] || true",
        "the expression is always true",
    );
}

#[test]
fn the_pattern_is_walked_as_a_regular_expression_would() {
    for dialect in [Dialect::Crd133, Dialect::Crd2026] {
        let pattern = dialect.pattern().unwrap();
        let regex = regex::Regex::new(&pattern).unwrap();
        let pieces = [
            "request.path",
            "requestXpath",
            "request",
            ".",
            "headers",
            "source.ip",
            "source.port",
            "request.backend_service_num_endpoints",
            "'a'",
            "'",
            "\"",
            "R\"",
            "“",
            "”",
            "a",
            "é",
            " ",
            "\n",
            "==",
            "=",
            "|",
            "||",
            "&&",
            "1",
            "int",
            "in",
            "(",
            "]",
            "/",
            "\\",
            "-",
        ];
        let mut random = super::differential::Random::new(7);
        for _ in 0..20_000 {
            let length = random.below(7);
            let text: String = (0..length).map(|_| *random.of(&pieces)).collect();
            let stops = dialect.stops_at(&text);
            assert_eq!(stops.is_none(), regex.is_match(&text), "{text}");
            // The text up to there can still become a match, and with the next character not.
            if let Some(at) = stops
                && at > 0
            {
                let begins = |text: &str| {
                    ["", "'", "\"", "”"]
                        .iter()
                        .any(|end| regex.is_match(&format!("{text}{end}")))
                        || (1..40).any(|n| {
                            pieces[..8]
                                .iter()
                                .chain(&[
                                    "endsWith",
                                    "startsWith",
                                    "matches",
                                    "contains",
                                    "lowerAscii",
                                    "upperAscii",
                                    "int",
                                    "==",
                                    "!=",
                                    "||",
                                    "&&",
                                    ">=",
                                    "request.headers",
                                    "request.method",
                                    "request.host",
                                    "request.query",
                                    "request.scheme",
                                    "response.code",
                                    "response.grpc_status",
                                    "response.headers",
                                    "source.address",
                                    "connection.requested_server_name",
                                    "connection.tls_version",
                                    "connection.sha256_peer_certificate_digest",
                                    "R\"\"",
                                ])
                                .filter_map(|piece| piece.get(n..))
                                .any(|end| regex.is_match(&format!("{text}{end}")))
                        })
                };
                assert!(begins(&text[..at]), "{text} stops at {at}");
                if let Some(next) = text[at..].chars().next() {
                    assert!(
                        !begins(&text[..at + next.len_utf8()]),
                        "{text} stops at {at}"
                    );
                }
            }
        }
    }
    assert_eq!(Dialect::LoadBalancer.pattern(), None);
    assert_eq!(Dialect::LoadBalancer.stops_at("\n"), None);
}

#[test]
fn the_pattern_stops_at_the_byte() {
    let stops = |text: &str| Dialect::Crd133.stops_at(text);
    assert_eq!(stops("source.ip == 'a'"), Some(7));
    assert_eq!(stops("request.path == 'a b'"), Some(18));
    assert_eq!(stops("request.path == 'a"), Some(18));
    assert_eq!(stops("requestXpath"), None);
    assert_eq!(stops(""), Some(0));
}

#[test]
fn every_rule_has_a_code_of_its_own() {
    let mut codes: Vec<&str> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Rule::ALL.len());
}

#[test]
fn brackets_nest_as_deep_as_in_the_load_balancer() {
    let nested = |depth| format!("{}1 == 1{}", "(".repeat(depth), ")".repeat(depth));
    check(CRD, &nested(32), &[]);
    check(CRD, &nested(33), &[(Rule::Depth, "(")]);
}

#[test]
fn hostile_text_is_refused_without_harm() {
    let open = |sign: &str, count: usize| sign.repeat(count);
    let texts = [
        format!("{}1 == 1{}", open("(", 5000), open(")", 5000)),
        format!("{}1 == 1{}", open("(", 900), open(")", 900)),
        format!("{}1 == 1{}", open("(", 200), open(")", 200)),
        open("(", 500),
        open("[", 1_000_000),
        open("!", 2000) + "true",
        open("!", 450) + "true",
        open("-", 450) + "1 == 1",
        format!("request{}", open(".a", 900)),
        format!("request.path{}", open(".lower()", 60)),
        format!("1{} == 1", open("+1", 240)),
        format!("1{}", open("==1", 150)),
        format!("true{}", open("?true:true", 48)),
        format!("true{}", open("&&true", 80)),
        format!("true{}", open("?true", 90)),
        open("request.headers[", 31) + &open("]", 31),
        open("request.path == 'a' && ", 50_000),
        open("'", 1_000_000),
        open("\\", 1_000_000),
        open("\u{1F980}", 250_000),
        open("\"\\", 500_000),
        open("“", 300_000),
        open("0", 1_000_000),
        open("a.", 500_000),
        open("/", 1_000_000),
        open(" ", 500),
        open("\0", 500),
    ];
    for text in &texts {
        for options in [CRD, CRD_2026, LB] {
            let compiled = compile(text, options);
            assert!(!compiled.findings.is_empty() || compiled.matcher.is_some());
        }
    }
}

#[test]
fn random_bytes_are_refused_without_harm() {
    let mut random = super::differential::Random::new(11);
    let pieces = [
        "request",
        ".",
        "path",
        "headers",
        "[",
        "]",
        "(",
        ")",
        "'",
        "\"",
        "a",
        "==",
        "&&",
        "||",
        "!",
        "in",
        "has",
        "{",
        "}",
        ",",
        "?",
        ":",
        "-",
        "1",
        "R\"",
        "\\",
        "é",
        "\u{1F980}",
        " ",
        "\n",
        "matches",
        "contains",
        "true",
        "null",
        "b'",
        "“",
        "”",
        "//",
        "`",
        "0x",
        "1e",
        "\r",
    ];
    for _ in 0..6000 {
        let length = random.below(40);
        let mut bytes = vec![random.below(9) as u8];
        for _ in 0..length {
            if random.below(8) == 0 {
                bytes.push(random.below(256) as u8);
            } else {
                bytes.extend_from_slice(random.of(&pieces).as_bytes());
            }
        }
        fuzz(&bytes);
    }
}
