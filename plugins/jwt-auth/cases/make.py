#!/usr/bin/env python3
"""Writes `tokens.yaml` and `hostile.yaml`: fresh keys, and tokens signed with them. The private
halves are thrown away, so a new token means running this again. Needs python3 with `cryptography`.
"""
import base64
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HERE = pathlib.Path(__file__).parent
NOW = 1735689600
CLAIMS = {"iss": "https://id.example", "aud": "shop", "sub": "alice", "iat": NOW - 60, "exp": NOW + 600}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


RSA = rsa.generate_private_key(65537, 2048)
RSA_LONG = rsa.generate_private_key(65537, 4096)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
OTHER = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1()), "EdDSA": ed25519.Ed25519PrivateKey.generate()}
SECRET = "a secret of more than 32 bytes for tests"


def raw_signature(alg, message, key=None):
    if alg == "RS256":
        return (key or RSA).sign(message, padding.PKCS1v15(), hashes.SHA256())
    if alg == "ES256":
        r, s = decode_dss_signature((key or EC).sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if alg == "EdDSA":
        return (key or ED).sign(message)
    return hmac.new((key or SECRET).encode() if isinstance(key or SECRET, str) else key, message, hashlib.sha256).digest()


def token(alg, claims=None, key=None, header=None, sign_as=None):
    head = {"alg": alg, "typ": "JWT", **(header or {})}
    payload = json.dumps(CLAIMS if claims is None else claims, separators=(",", ":"))
    message = f"{b64(json.dumps(head, separators=(',', ':')).encode())}.{b64(payload.encode())}".encode()
    return f"{message.decode()}.{b64(raw_signature(sign_as or alg, message, key))}"


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


PEMS = {"RS256": pem(RSA), "ES256": pem(EC), "EdDSA": pem(ED)}
JWKS = {"keys": [
    {"kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": number(RSA.public_key().public_numbers().n), "e": "AQAB"},
    {"kty": "EC", "kid": "e", "crv": "P-256", "x": number(EC.public_key().public_numbers().x, 32), "y": number(EC.public_key().public_numbers().y, 32)},
    {"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": b64(ED.public_key().public_bytes_raw())},
    {"kty": "oct", "kid": "h", "alg": "HS256", "k": b64(SECRET.encode())},
    {"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQ", "e": "AQAB"},
    {"kty": "EC", "kid": "p384", "crv": "P-384", "x": "AA", "y": "AA"},
]}


# What production gives an exchange, and what takes longer, which is for Envoy.
MILLISECOND = 4_000_000
SLOW = {"allow_over_budget": True}
ENVOY = {"profile": "envoy", "budget": {"fuel": 18_000_000}}


def config(alg, **more):
    key = {"secret": SECRET} if alg == "HS256" else {"pem": PEMS[alg]}
    return {"keys": [key], **(SLOW if alg == "ES256" else {}), **more}


def request(value, path="/", **more):
    headers = [] if value is None else [f"authorization: Bearer {value}"]
    return {"path": path, "headers": headers + more.get("headers", [])}


def passes(lacks=("authorization",), **more):
    return {"request_headers": {"lacks": list(lacks), "findings": [], **more}, "no_reply": True}


def refused(reason, text="Access forbidden."):
    return {"reply": {"status": 401, "body": text + "\n"}, "logs": [f"jwt-auth: {reason}: {text}"], "findings": []}


def malformed(reason="not a token"):
    return refused(reason, "Access forbidden - invalid token.")


def case(name, config, exchanges, **more):
    if config.get("allow_over_budget"):
        more = {**ENVOY, **more}
    return {"name": name, "config": config, "exchanges": [{"request": r, "expect": e} for r, e in exchanges], **more}


def write(file, about, cases):
    lines = [f"# {about}", "# Written by make.py.", "plugin: jwt-auth", f"clock: {NOW}", f"budget: {{fuel: {MILLISECOND}}}", "cases:"]
    lines += [f"  - {json.dumps(one)}" for one in cases]
    (HERE / file).write_text("\n".join(lines) + "\n")


ALGS = ["RS256", "ES256", "EdDSA", "HS256"]
# Of an exchange, most of which is the verification: `Key::cost` says the same.
FUEL = {"RS256": 3_700_000, "ES256": 13_500_000, "EdDSA": 2_500_000, "HS256": 150_000}
good = [case(f"a good {alg} token passes and goes no further", config(alg), [(request(token(alg)), passes())], budget={"fuel": FUEL[alg]}) for alg in ALGS]
good += [
    case("a key set serves every algorithm by its kid", {"jwks": JWKS, **SLOW}, [
        (request(token(alg, header={"kid": kid})), passes()) for alg, kid in zip(ALGS, "redh")]),
    case("a key set serves a token without a kid", {"jwks": JWKS, **SLOW}, [(request(token("EdDSA")), passes())]),
    case("a key of 4096 bits serves", {"keys": [{"pem": pem(RSA_LONG)}], **SLOW}, [(request(token("RS256", key=RSA_LONG)), passes())], budget={"fuel": 18_000_000}),
    case("both keys serve while they change", {"keys": [{"pem": PEMS[alg]} for alg in ["RS256", "EdDSA"]] + [{"secret": SECRET + "2"}, {"secret": SECRET}]}, [
        (request(token("HS256")), passes()), (request(token("HS256", key=SECRET + "2")), passes())]),
    case("two keys that a token does not choose from take too long", {"keys": [{"pem": PEMS["EdDSA"], "kid": "a"}, {"pem": pem(OTHER["EdDSA"]), "kid": "b"}]}, [
        (request(token("EdDSA")), refused("no such key")),
        (request(token("EdDSA", header={"kid": "a"})), passes())]),
    case("claims go on in headers that cannot be forged",
         config("HS256", claim_headers=[{"claim": "sub", "header": "x-user"}, {"claim": "level", "header": "x-level"}, {"claim": "org", "header": "x-org"}]),
         [(request(token("HS256", {**CLAIMS, "level": 3}), headers=["x-user: root", "x-org: forged"]),
           passes(lacks=["authorization", "x-org"], has=["x-user: alice", "x-level: 3"]))]),
    case("a claim that would break a header is left out", config("HS256", claim_headers=[{"claim": "sub", "header": "x-user"}]),
         [(request(token("HS256", {**CLAIMS, "sub": "a\r\nx-admin: 1"})), passes(lacks=["x-user", "x-admin"]))]),
    case("issuer and audience fit", config("HS256", issuers=["https://id.example"], audiences=["shop", "till"]), [
        (request(token("HS256")), passes()), (request(token("HS256", {**CLAIMS, "aud": ["a", "till"]})), passes())]),
    case("a token in the query or a cookie is found and taken out",
         config("HS256", tokens_in=[{"query": "jwt"}, {"cookie": "id"}]),
         [({"path": f"/a?x=1&jwt={token('HS256')}&y=2"}, passes(has=[":path: /a?x=1&y=2"])),
          ({"path": "/", "headers": [f"cookie: a=1; id={token('HS256')}"]}, passes(has=["cookie: a=1"]))]),
    case("a token may stay", config("HS256", keep_token=True), [(request(token("HS256")), passes(lacks=["x"], has=[f"authorization: Bearer {token('HS256')}"]))]),
    case("clocks may be a little apart", config("HS256", leeway_seconds=30), [
        (request(token("HS256", {"exp": NOW - 29})), passes()),
        (request(token("HS256", {"exp": NOW - 30})), refused("expired")),
        (request(token("HS256", {"exp": NOW + 9, "nbf": NOW + 30})), passes()),
        (request(token("HS256", {"exp": NOW + 9, "nbf": NOW + 31})), refused("not valid yet"))]),
    case("a fraction of a second counts", config("HS256", leeway_seconds=0), [
        (request(token("HS256", {"exp": NOW + 0.5})), passes()), (request(token("HS256", {"exp": NOW})), refused("expired"))]),
    case("a token without an end passes where it may", config("HS256", must_expire=False), [(request(token("HS256", {})), passes())]),
]


def flip(value):
    head, payload, signature = value.split(".")
    return f"{head}.{payload}.{('B' if signature[0] == 'A' else 'A') + signature[1:]}"


def other_claims(value):
    head, _, signature = value.split(".")
    return f"{head}.{b64(json.dumps({**CLAIMS, 'sub': 'root'}).encode())}.{signature}"


def none(name, signature=""):
    return f"{b64(json.dumps({'alg': name}).encode())}.{b64(json.dumps(CLAIMS).encode())}.{signature}"


hostile = []
for alg in ALGS:
    value = token(alg)
    head, payload, signature = value.split(".")
    other = SECRET + "2" if alg == "HS256" else OTHER[alg]
    hostile.append(case(f"forged {alg} tokens do not pass", config(alg), [
        (request(flip(value)), refused("wrong signature")),
        (request(other_claims(value)), refused("wrong signature")),
        (request(token(alg, key=other)), refused("wrong signature")),
        (request(f"{head}.{payload}.{b64(bytes(len(raw_signature(alg, b''))))}"), refused("wrong signature"))]))
    hostile.append(case(f"truncated {alg} tokens do not pass", config(alg), [
        (request(value[:-4]), refused("wrong signature")),
        (request(f"{head}.{payload}."), refused("wrong signature")),
        (request(f"{value}AAAA"), refused("wrong signature")),
        (request(f"{value}="), refused("wrong signature")),
        (request(f"{head}.{payload}"), malformed()),
        (request(f"{value}.{signature}"), malformed()),
        (request(head), malformed())]))
    hostile.append(case(f"expired {alg} tokens do not pass", config(alg), [
        (request(token(alg, {**CLAIMS, "exp": NOW - 61})), refused("expired")),
        (request(token(alg, {k: v for k, v in CLAIMS.items() if k != "exp"})), refused("no `exp`")),
        (request(token(alg, {**CLAIMS, "nbf": NOW + 61})), refused("not valid yet"))]))
    hostile.append(case(f"oversized {alg} tokens do not pass", config(alg), [
        (request(token(alg, {**CLAIMS, "pad": "x" * 4096})), malformed("token too long")),
        (request("A" * 5000), malformed("token too long"))]))
    hostile.append(case(f"tokens of another algorithm do not pass a {alg} key", config(alg), [
        (request(token(other)), refused("algorithm not allowed")) for other in ALGS if other != alg] + [
        (request(none(name)), refused("algorithm not allowed")) for name in ["none", "None", "NONE", "", "RS512", "HS512", alg.lower()]] + [
        (request(none("none", signature)), refused("algorithm not allowed"))]))
hostile += [
    # The classic: an HMAC whose secret is the public key that everybody knows.
    case("a public key is no secret", config("RS256"), [
        (request(token("HS256", key=PEMS["RS256"])), refused("algorithm not allowed")),
        (request(token("RS256", key=PEMS["RS256"], sign_as="HS256")), refused("wrong signature"))]),
    case("a public key is no secret in a set either", {"jwks": JWKS, **SLOW}, [
        (request(token("HS256", key=PEMS["RS256"], header={"kid": "r"})), refused("no such key")),
        (request(token("HS256", key=PEMS["RS256"], header={"kid": "h"})), refused("wrong signature"))]),
    case("a token cannot bring its own key", config("ES256"), [
        (request(token("ES256", key=OTHER["ES256"], header={
            "jwk": {"kty": "EC", "crv": "P-256", "x": number(OTHER["ES256"].public_key().public_numbers().x, 32), "y": number(OTHER["ES256"].public_key().public_numbers().y, 32)},
            "jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert"})), refused("wrong signature"))]),
    case("a token that demands what is not understood does not pass", config("HS256"), [
        (request(token("HS256", header={"crit": ["b64"], "b64": False})), refused("`crit` not understood")),
        (request(token("HS256", header={"crit": []})), refused("`crit` not understood"))]),
    case("a kid that no key has does not pass", {"jwks": JWKS, **SLOW}, [(request(token("RS256", header={"kid": "x"})), refused("no such key"))]),
    case("ES256 signatures in another form do not pass", config("ES256"), [
        (request(".".join(token("ES256").split(".")[:2]) + "." + b64(EC.sign(b"x", ec.ECDSA(hashes.SHA256())))), refused("wrong signature"))]),
    case("wrong issuers and audiences do not pass", config("HS256", issuers=["https://id.example"], audiences=["shop"]), [
        (request(token("HS256", {**CLAIMS, "iss": "https://id.example/"})), refused("wrong `iss`")),
        (request(token("HS256", {k: v for k, v in CLAIMS.items() if k != "iss"})), refused("wrong `iss`")),
        (request(token("HS256", {**CLAIMS, "aud": "shopping"})), refused("wrong `aud`")),
        (request(token("HS256", {**CLAIMS, "aud": []})), refused("wrong `aud`")),
        (request(token("HS256", {k: v for k, v in CLAIMS.items() if k != "aud"})), refused("wrong `aud`"))]),
    case("claims of the wrong type do not pass", config("HS256"), [
        (request(token("HS256", claims)), refused("claims are malformed")) for claims in [
            {"exp": str(NOW + 60)}, {"exp": None, "iss": 7}, {"exp": NOW + 60, "nbf": []}, [], "x", 7]]),
    case("what is no token does not pass", config("HS256"), [
        (request(value), malformed()) for value in ["a", "a.b.c", "..", ".", "e30.e30.e30", "eyJhbGciOiJIUzI1NiI.e30.", "!!!.???.___", "e+0.e/0.AA"]]),
    case("three keys that nothing tells apart are too many", {"keys": [{"secret": SECRET + str(i)} for i in range(3)]}, [
        (request(token("HS256", key=SECRET + "0")), refused("no such key"))]),
    case("no token and two tokens do not pass", config("HS256"), [
        ({"path": "/"}, {"reply": {"status": 401, "has": ["www-authenticate: Bearer"], "body": "Access forbidden - missing token.\n"}, "logs": ["jwt-auth: no token: Access forbidden - missing token."]}),
        ({"path": "/", "headers": ["authorization: Basic YTpi"]}, {"reply": {"status": 401}}),
        ({"path": "/", "headers": [f"authorization: Bearer {token('HS256')}", "authorization: Bearer x"]}, malformed("several tokens")),
        ({"path": "/", "headers": [f"authorization: Bearer{token('HS256')}"]}, {"reply": {"status": 401}})]),
]

private = RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
short = pem(rsa.generate_private_key(65537, 1024))


def start(name, config, message, **more):
    return {"name": name, "config": config, "configure": {"fails": True, "logs": [{"contains": message}]}, **more}


hostile += [
    start("refuses no key", {}, "`keys`: must have a key; `jwks` has none either"),
    start("refuses a key set without a key that serves", {"jwks": {"keys": JWKS["keys"][4:]}}, "`keys`: must have a key"),
    start("refuses a key that is too short", {"keys": [{"pem": short}]}, "`keys[0].pem`: must have a modulus of 2048 to 4096 bits"),
    start("refuses a private key", {"keys": [{"pem": private}]}, "`keys[0].pem`: is a private key"),
    start("refuses a private key in a set", {"jwks": {"keys": [{**JWKS["keys"][0], "d": "AQ"}]}}, "`jwks.keys[0]`: is a private key"),
    start("refuses a point that is not on the curve", {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": b64(bytes(32)), "y": b64(bytes(32))}]}}, "`jwks.keys[0]`: is no point of the curve P-256"),
    start("refuses a weak Ed25519 key", {"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64(b"\1" + bytes(31))}]}}, "`jwks.keys[0]`: is a weak Ed25519 key"),
    start("refuses a secret that can be guessed", {"keys": [{"secret": "hunter2"}]}, "`keys[0].secret`: must have at least 32 bytes"),
    start("refuses an algorithm that the key is not for", {"keys": [{"algorithm": "RS256", "secret": SECRET}]}, "`keys[0].algorithm`: is not the algorithm of this key"),
    start("refuses none", {"keys": [{"algorithm": "none", "secret": SECRET}]}, "`keys[0].algorithm`: must be `RS256`, `ES256`, `EdDSA` or `HS256`"),
    start("refuses an algorithm that takes longer than production gives", {"keys": [{"pem": PEMS["ES256"]}]}, "`keys[0]`: takes longer to verify with than the millisecond"),
    start("refuses a modulus that takes longer than production gives", {"keys": [{"secret": SECRET}, {"pem": pem(RSA_LONG)}]}, "`keys[1]`: takes longer to verify with than the millisecond"),
    start("refuses the same in a set", {"jwks": JWKS}, "`jwks.keys[1]`: takes longer to verify with than the millisecond"),
    start("refuses a misspelt field", {"keys": [{"secret": SECRET}], "audience": "shop"}, "`audience`: unknown field `audience`"),
]
write("tokens.yaml", "Tokens that pass, and what becomes of them.", good)
write("hostile.yaml", "Tokens that must not pass, and configurations that must not start.", hostile)
