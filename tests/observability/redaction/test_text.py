"""A table of shapes: texts with a secret, which redaction removes, and harmless texts, which it does not change."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.redaction import json_may_hold_secret, may_hold_secret, redact, redact_text
from tests.observability.limits import limited_cpu_time as limited_cpu_time

S = "pl4nt3dSecret"
# Shapes of tokens are put together here, so that no scanner of repositories takes them for real ones.
RANDOM = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ0cD2fG4hJ6"

OPTIONS = [
    f"mysqldump --password={S} service",
    f"mysqldump --password {S} service",
    f"mysqldump --password '{S} x' service",
    f'mysqldump --password="{S}" service',
    f"Command '['mysqldump', '--password={S}']' returned non-zero exit status 2.",
    f"Command '['mysqldump', '--password', '{S}', 'db']' returned non-zero exit status 2.",
    f'["mysqldump", "--password", "{S}", "db"]',
    f'["mysqldump", "--password={S}", "--host=db"]',
    f"java -password {S} -jar x.jar",
    f"tool -api-key={S}",
    f"tool --api-key {S}",
    f"tool --db-pass={S}",
    f"PGPASSWORD={S} psql -h db",
    f"MYSQL_PWD={S} mysql",
    f"env API_TOKEN='{S}' python x.py",
    f"export SECRET_KEY={S}",
    f"net use x: /password:{S}",
    f"curl -u alice:{S} https://example.com/",
    f"curl --user 'alice:{S}' https://example.com/",
    f"curl -H 'X-Api-Key: {S}' https://example.com/",
    f'curl -H "Authorization: Bearer {S}" https://example.com/',
    f"docker login --username x --password-hash {S}",
    f"--client-secret={S}",
    f"[--token={S}]",
    f'usage: "--token {S}"',
    f"Command '['mysqldump', '-u', 'root', '-p{S}', 'db']' returned non-zero exit status 2.",
    f"mysql -uroot -p{S} db",
    f"sshpass -p '{S}' ssh x",
    f"redis-cli -h x -a {S} ping",
    f"['curl', '-u', 'alice:{S}']",
    f"java -Djavax.net.ssl.keyStorePassword={S}",
    f"helm --set db.auth.rootPassword={S}",
    f"docker run -e MYSQL_ROOT_PASSWORD={S} x",
]
HEADERS = [
    f'Authorization: Digest username="x", realm="y", nonce="z", response="{S}"',
    f'Authorization: "{S}"',
    f"Authorization: '{S}'",
    f'Authorization: Bearer ab"{S}',
    f"Authorization: Bearer it's {S}",
    f"Authorization:{S}",
    f"Authorization: AWS4-HMAC-SHA256 Credential=AK/20260101, SignedHeaders=host, Signature={S}",
    f'Cookie: "a={S}"',
    f"Cookie: theme=dark; sid={S}",
    f'Set-Cookie: sid="{S}"; Path=/; HttpOnly',
    f"Proxy-Authorization: Basic {S}",
    f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {S} a b\r\nAccept: */*",
    f"b'GET / HTTP/1.1\\r\\nAuthorization: Custom {S}\\r\\nHost: x'",
    f"X-Vault-Token: {S}",
    f'Authorization=Digest username="x", response="{S}"',
    f"HTTP_AUTHORIZATION: Custom {S}",
    f"HTTP_COOKIE=a=1; b={S}",
    f"X-Api-Key: {S}",
    f"X-Auth-Token:{S}",
    f"x-amz-security-token: {S}",
    f"Ocp-Apim-Subscription-Key: {S}",
    f"x-functions-key: {S}",
    f"> X-CSRFToken: {S}",
    f"[('Host', 'x'), ('Authorization', '{S}')]",
    f"[(b'host', b'x'), (b'cookie', b'{S}')]",
    f'[["X-Api-Key", "{S}"]]',
    f"-H 'Authorization: Digest response=\"{S}\"'",
    f'{{"line": "Authorization: Digest response=\\"{S}\\""}}',
    f'{{"line": "{{\\"h\\": \\"Authorization: Bearer x {S}\\"}}"}}',
]
SEPARATORS = [
    f"password: {S}",
    f"password:{S}",
    f"password : {S}",
    f"password => {S}",
    f"'password' => '{S}'",
    f"password := {S}",
    f"password -> {S}",
    f"password = {S}",
    f"  password: {S}\n  user: x",
    f"[user=x, password={S}]",
    f"<password>{S}</password>",
    f"<Password>\n  {S}\n</Password>",
    f"<ns:password type='x'>{S}</ns:password>",
    f"<password><![CDATA[{S}]]></password>",
    f"&lt;password&gt;{S}&lt;/password&gt;",
    f'<add key="password" value="{S}"/>',
    f'<input type="text" name="api_key" value="{S}">',
    f"<input value='{S}' name='api_key'>",
    f'{{"name": "password", "value": "{S}"}}',
    f'{{"value": "{S}", "name": "password"}}',
    f'{{"key":"api_key","value":"{S}"}}',
    f"{{'name': 'password', 'value': '{S}'}}",
    f'{{"name": "password", "required": true, "value": "{S}"}}',
    f"name='token', value='{S}'",
    f"request.POST['password'] = '{S}'",
    f"&quot;password&quot;: &quot;{S}&quot;",
    f"{{&#x27;password&#x27;: &#x27;{S}&#x27;}}",
    f"`password`: `{S}`",
    f"password: |\n  {S}\nuser: x",
    f"API key: {S}",
    f"secret key = {S}",
    f"<password value='{S}'/>",
    f"<property><name>db.password</name><value>{S}</value></property>",
    f"<key>password</key><string>{S}</string>",
    f'<Setting Name="Password">{S}</Setting>',
    f"- name: DB_PASSWORD\n  value: {S}",
    f"{{name: password, value: {S}}}",
    f'Content-Disposition: form-data; name="password"\r\n\r\n{S}\r\n--x',
    f"password += '{S}'",
    f"OrderedDict([('password', '{S}')])",
    f"<QueryDict: {{'password': ['{S}']}}>",
    f"password is '{S}'",
    f"password set to 'x'; password was '{S}'",
    f'token: "{S}"',
    f'if token == "{S}"',
    f"if token != '{S}'",
]
VALUES = [
    f"password=ab,{S}",
    f"password=ab;{S}",
    f"password=ab&{S}",
    f"password=ab'{S}",
    f'password=ab"{S}',
    f"password=ab({S})",
    f"password=ab){S}",
    f"password=ab]{S}",
    f"password=ab<{S}",
    f"password=ab={S}",
    f"password=ab\\{S}",
    f"password=('{S}',)",
    f"password=['a', '{S}']",
    f"password={{'a': '{S}'}}",
    f"password=((1, [2, '{S}']), 3)",
    f'"credentials": {{"x": "{S}"}}',
    f'"credentials": {{"x": {{"y": ["]", "{S}"]}}}}',
    f'{{"credentials": {{\n  "x": "{S}"\n}}, "a": 1}}',
    f'"tokens": ["a", "{S}"]',
    f"tokens: [a, {S}]",
    f"passphrase: correct horse {S}",
    f"passphrase=correct horse {S}",
    f"password: correct horse {S}",
    f"password='ab\\'{S}'",
    f"password='ab''{S}'",
    f"password='''ab\n{S}'''",
    f"password='ab\n{S}'",
    f"password=b'{S}'",
    f"password=SecretStr('{S}')",
    f"password=<Secret {S}>",
    f"Login(user='x', password='{S}', next='/')",
    f"password='{S}",
    f'{{"password": "{S}',
    f"(user, password={S})",
    f"password=ä{S}",
    f"password={S}.",
    f"password=${S}",
    f"password=a\\ {S}",
    f"password={{{S}}}",
    f"password=<{S}>",
    f"password: a,{S}",
    *(f"password={mark}{S}" for mark in "-#!*@:,;&)]>?/%+|~("),
]
KEYS = [
    f"https://x.blob.core.windows.net/c?sv=2024&sig={S}&se=2026",
    f"AccountName=x;AccountKey={S}==;EndpointSuffix=core.windows.net",
    f"Endpoint=sb://x/;SharedAccessKeyName=k;SharedAccessKey={S}=",
    *(
        f"{key}={S}"
        for key in (
            "mfa_code", "cvv", "cvc2", "ssn", "pin", "card_pin", "otp", "totp", "passcode", "recovery_code",
            "backup_codes", "verification_code", "security_code", "encryption_key", "signing_key", "master_key",
            "client_secret", "refresh_token", "id_token", "JSESSIONID", "PHPSESSID", "smtp_pass", "db_pwd", "userpwd",
            "private_key", "ssh_key", "sentry_dsn", "code_verifier", "x-amz-signature", "aws_secret_access_key",
            "password1", "pin2", "SAMLResponse", "card_number", "creds", "psk", "hmac", "wifi.psk", "db[password]",
            "password_hash", "tokens", "accessToken", "access_tokens",
            "2fa_code", "two_factor_code", "device_code", "pin_code",
            "ldap_pw", "xsrf", "app_key", "X-Hub-Signature-256", "Stripe-Signature", "secretAccessKey", "password2",
        )
    ),
]  # fmt: skip
TOKENS = [
    ("AKIA" + "IOSFODNN7EXAMPLE"),
    ("ASIA" + "IOSFODNN7EXAMPLE"),
    *(f"gh{kind}_{RANDOM}" for kind in "opsur"),
    "github_pat_" + RANDOM[:22] + "_" + RANDOM,
    "glpat-" + RANDOM[:20],
    "xoxb-" + "123456789012-" + RANDOM[:24],
    "xoxp-" + "123456789012-" + RANDOM[:24],
    "xapp-1-" + RANDOM,
    "sk_live_" + RANDOM[:24],
    "rk_test_" + RANDOM[:24],
    "whsec_" + RANDOM[:32],
    "AIza" + RANDOM[:35],
    "ya29." + RANDOM,
    "eyJhbGciOi.eyJzdWIiOi.c2ln" + RANDOM,
    "sk-proj-" + RANDOM,
    "sk-ant-api03-" + RANDOM,
    "npm_" + RANDOM,
    "hf_" + RANDOM[:34],
    "pypi-" + RANDOM * 2,
    "SG." + RANDOM[:22] + "." + RANDOM[:32],
    "hvs." + RANDOM,
    "AGE-SECRET-KEY-1" + RANDOM.upper(),
    "LS0tLS1CRUdJTi" + "BSU0EgUFJJVkFURSBLRVktLS0t" + RANDOM,
]
BODY = f"{S}{'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw' * 2}\n"
PRIVATE_KEYS = [
    f"-----BEGIN PRIVATE KEY-----\n{BODY * 500}-----END PRIVATE KEY-----",
    f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{BODY}-----END RSA PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}",
    f"-----BEGIN ENCRYPTED PRIVATE KEY-----\\n{S}\\n-----END ENCRYPTED PRIVATE KEY-----",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\n{BODY * 300}=abcd\n-----END PGP PRIVATE KEY BLOCK-----",
    f"-----BEGIN PGP MESSAGE-----\n\n{BODY}-----END PGP MESSAGE-----",
    f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{BODY}---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    f"PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 1\n{BODY}Private-MAC: 0a1b",
    f"…\n{BODY}-----END RSA PRIVATE KEY-----",
]
STATEMENTS = [
    f"ALTER ROLE app PASSWORD '{S}'",
    f"ALTER ROLE app WITH ENCRYPTED PASSWORD '{S}'",
    f"ALTER ROLE app PASSWORD E'{S}'",
    f"ALTER ROLE app PASSWORD $${S}$$",
    f"CREATE USER x IDENTIFIED BY '{S}'",
    f"CREATE USER x IDENTIFIED WITH mysql_native_password BY '{S}'",
    f"CREATE USER x IDENTIFIED BY PASSWORD '{S}'",
    f"SET PASSWORD FOR 'x'@'localhost' = '{S}'",
    f"SET PASSWORD FOR 'x' = PASSWORD('{S}')",
    f"CREATE USER MAPPING FOR x SERVER y OPTIONS (user 'x', password '{S}')",
    f"UPDATE t SET password = '{S}' WHERE id = 1",
    f"UPDATE t SET password = 'it''s {S}' WHERE id = 1",
    f"SELECT 1 FROM t WHERE \"token\" = '{S}'",
    f"SELECT 1 FROM t WHERE t.token LIKE '{S}%'",
    f"SELECT 1 FROM t WHERE token IN ('a', '{S}')",
    f"SELECT 1 FROM t WHERE token NOT IN ('a', '{S}')",
    f"SELECT 1 FROM t WHERE token <> '{S}'",
    f"SELECT 1 FROM t WHERE token::text = '{S}'",
    f"INSERT INTO t (id, password) VALUES (1, '{S}')",
    f"INSERT INTO t (id, password) VALUES (1, 'a'), (2, '{S}')",
    f"PRAGMA key = 'x'; PRAGMA secret_key = '{S}'",
    f"SELECT pgp_sym_decrypt(x, '{S}')",
    f"SELECT crypt('{S}', gen_salt('bf'))",
    f'SELECT 1 FROM t WHERE "t"."token" = \'{S}\'',
    f"SELECT 1 FROM t WHERE lower(token) = '{S}'",
    f"SELECT 1 FROM t WHERE token ~ '{S}'",
    f"SELECT 1 FROM t WHERE token = ANY(ARRAY['{S}'])",
    f"ATTACH 'x' AS y KEY '{S}'",
    f"LINE 1: UPDATE t SET password = '{S}...\n                              ^",
]
ENCODED = [
    f"password%3D{S}",
    f"/x?%70assword={S}",
    f"/x?%2570assword={S}&a=1",
    f"/x?next=%2Flogin%3Ftoken%3D{S}",
    f"q=%7B%22password%22%3A%22{S}%22%7D",
    f"q=%7B%22password%22%3A%20%22a%20{S}%22%7D&b=2",
    f"user%5Bpassword%5D={S}",
    f"Authorization%3A%20Bearer%20{S}",
    f"https%3A%2F%2Fuser%3A{S}%40example.com%2F",
    f'{{"p\\u0061ssword": "{S}"}}',
    f'{{"\\u0070\\u0061ssword":"{S}"}}',
    f"b'p\\x61ssword={S}'",
    f'{{"password":"{S}"}}=',
    f'{{"body": "{{\\"password\\": \\"{S}\\"}}"}}',
    f'{{"body": "{{\\"a\\": \\"{{\\\\\\"password\\\\\\": \\\\\\"{S}\\\\\\"}}\\"}}"}}',
]
ADDRESSES = [
    f"postgres://user:{S}@db/x",
    f"https://user:{S}@example.com/",
    f"https://{S}@github.com/x",
    f"redis://:{S}@cache/0",
    f"root:{S}@db:3306/x",
    f"root:{S}@tcp(db:3306)/x",
    f"//user:{S}@example.com/x",
    f"https://hooks.slack.com/services/T00/B00/{S}",
]
FRAME = '  File "/srv/service/auth.py", line 12, in login\n'
TRACEBACKS = [
    f'{FRAME}    password = "{S}"\nValueError: x',
    f"{FRAME}    login(user, password='{S}')\nValueError: x",
    f"{FRAME}    token = make_token('{S}')\nValueError: x",
    f'{FRAME}    password: str = "{S}"\nValueError: x',
    f"{FRAME}    pin = 12345\nValueError: password={S}",
    f"{FRAME}    x()\nsubprocess.CalledProcessError: Command '['x', '--password={S}']' returned 1",
]
SECRETS = {
    "option": OPTIONS, "header": HEADERS, "separator": SEPARATORS, "value": VALUES, "key": KEYS,
    "private key": PRIVATE_KEYS, "statement": STATEMENTS, "encoded": ENCODED, "address": ADDRESSES,
    "traceback": TRACEBACKS,
}  # fmt: skip

HARMLESS = [
    "prompt_tokens=512",
    "max_tokens: 4096",
    '{"prompt_tokens": 512, "completion_tokens": 8, "total_tokens": 520}',
    "max_new_tokens=100",
    "tokens_used=12",
    "tokenizer=cl100k",
    "tokenizer: cl100k",
    "signature_algorithm=RS256",
    "signature_version=4",
    "pwd=/home/x",
    "PWD=/srv/app",
    "pwd=~/x",
    "secretary=Ann",
    "secretary: Ann Miller",
    "passwordless=yes",
    "author=Ann",
    "authority: Ann",
    "authentication=done",
    "compass=north",
    "passenger=Ann",
    "bypass=yes",
    "pinned=yes",
    "pinpoint: x",
    "shipping=x",
    "design=flat",
    "signal=9",
    "sigma=2",
    "session=x",
    "monkey=x",
    "primary_key=5",
    "sort_key=name",
    "cache_key=a:b",
    "key=value",
    "password_min_length=12",
    "PASSWORD_HASHERS=['x']",
    "token_type=bearer",
    "grant_type=password",
    "token_count=3",
    "csrf_exempt=True",
    "SESSION_COOKIE_SECURE=True",
    "cookie_domain=.example.com",
    "password_file=/run/secrets/db",
    "token = get_token(request)",
    "token = get_token()",
    'token = request.headers.get("X-Token")',
    'password = os.environ["DB_PASSWORD"]',
    "password=None",
    '{"token": null, "has_token": true}',
    "WHERE password = %s AND token = $1",
    "password=********",
    "password=${DB_PASSWORD}",
    "token={token}",
    "/reset/<uidb64>/<token>/",
    "use --token to sign in",
    "the option --password is required",
    "token: required",
    "password: This field is required.",
    "Password: must not be empty",
    "invalid token: expected a number",
    "Unexpected token at line 1",
    "column 'password' cannot be null",
    "Unknown column 'password' in 'field list'",
    "fields = ('name', 'password', 'email')",
    "a token of our appreciation",
    "The secret of the garden",
    "Forgot your password? Click here",
    "if token == other",
    "12:30:45 started",
    "2026-01-01T12:30:45Z",
    "http://example.com/a:b@c",
    "see https://example.com/x?y=1#z",
    "2001:db8::1",
    "100% of 5%25",
    "C:\\path\\new",
    "mailto:ann@example.com",
    "git@example.com:x.git",
    "docker run -u 1000:1000 x",
    "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIID\n-----END PUBLIC KEY-----",
    "ssh-rsa AAAAB3NzaC1yc2E user@host",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "some-rather-long-name-with-dashes",
    "get_some_very_long_function_name",
    "AIMS and AKIN",
    "<b>bold</b> &amp; <i>x</i>",
    "x=1&amp;y=2",
    "LINE 1: SELECT 'abc",
    "x-ratelimit-limit-tokens: 1000",
    "status_code=200 exit_code=1 zip_code=12345",
    "logger=auth.token level=info",
    "KeyError: 'password'",
    '<input type="password" name="x">',
    "Duplicate entry '9780' for key 'book.isbn'",
    "mysql -h db -P 3306 x",
    "-p 8080:80",
    "GET /api/tokens/ 200",
    "SELECT * FROM auth_token ORDER BY password",
    f"{FRAME}    token = get_token(request)\nValueError: x",
    f"{FRAME}    password = form.cleaned_data['password']\nValueError: x",
    f"{FRAME}    token = self.token or other\n            ^^^^^^^^^\nKeyError: 'x'",
    f"{FRAME}    def login(user: str, password: str) -> None:\nKeyError: 'x'",
    f"{FRAME}    client = Client(token=token, secret=settings.SECRET)\nKeyError: 'x'",
    f'{FRAME}    Permission = apps.get_model("auth", "Permission")\nKeyError: x',
    f'{FRAME}    csrf_secret = request.META["CSRF_COOKIE"]\nKeyError: x',
    f'{FRAME}    password = models.CharField(_("password"), max_length=128)\nKeyError: x',
    f'{FRAME}    def ask(self, prompt="Password: "):\nKeyError: x',
    f"{FRAME}    self.passwords = {{x for x in y}}\nE: x",
    f'{FRAME}    if token == "":\nKeyError: x',
    f"{FRAME}    if len(token) not in (A_LENGTH, B_LENGTH):\nKeyError: x",
    f"{FRAME}    if password != other:\nKeyError: 'x'",
    f"{FRAME}    return {{'token': token}}\nKeyError: 'x'",
]  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_of_each_kind_are_removed(kind: str) -> None:
    leaks = {text: redact_text(text) for text in SECRETS[kind] if S in redact_text(text)}
    assert leaks == {}


def test_tokens_without_a_key_are_removed() -> None:
    leaks = [token for token in TOKENS if redact_text(f"sent {token}, and failed") != "sent [redacted], and failed"]
    assert leaks == []


def test_harmless_texts_are_unchanged() -> None:
    changed = {text: redact_text(text) for text in HARMLESS if redact_text(text) != text}
    assert changed == {}


SHAPES = [*(text for texts in SECRETS.values() for text in texts), *TOKENS, *HARMLESS]
SURROUNDINGS = ["{}", "x {} y", "failed: {}", "{}\nnext line", '"{}"', "({})", "ä{}ü", "1,{},2", '{{"a": "b"}} {}']


def test_table_has_many_shapes() -> None:
    assert len(SHAPES) >= 300


def test_text_without_a_sign_of_a_secret_is_unchanged() -> None:
    unsound = [
        text
        for text in (around.format(shape) for shape in SHAPES for around in SURROUNDINGS)
        if not may_hold_secret(text) and redact_text(text) != text
    ]
    assert unsound == []


def test_json_without_a_sign_of_a_secret_has_none() -> None:
    unsound = [
        text
        for text in (around.format(shape) for shape in SHAPES for around in SURROUNDINGS)
        if not json_may_hold_secret(orjson.dumps({"a": text, "b": 1}).decode(), 2) and redact_text(text) != text
    ]
    assert unsound == []


@given(st.lists(st.sampled_from(SHAPES) | st.text(max_size=5), max_size=4), st.sampled_from([" ", "", "\n", ", "]))
def test_sign_of_a_secret_is_certain_in_combined_shapes(parts: list[str], separator: str) -> None:
    text = separator.join(parts)
    redacted = redact_text(text)
    assert redacted == text or may_hold_secret(text)
    try:
        encoded = orjson.dumps({"a": text}).decode()
    except TypeError:
        return
    assert redacted == text or json_may_hold_secret(encoded, 1)


def test_redacting_a_shape_twice_changes_nothing_more() -> None:
    once = [redact_text(around.format(shape)) for shape in SHAPES for around in SURROUNDINGS]
    assert [redact_text(text) for text in once] == once


def test_secret_shapes_are_removed_in_the_json_of_a_text() -> None:
    texts = [text for kind in SECRETS if kind != "traceback" for text in SECRETS[kind] if "\n" not in text]
    leaks = {text: redacted for text in texts if S in (redacted := redact_text(json.dumps({"body": text})))}
    assert leaks == {}


@pytest.mark.parametrize("text", [*OPTIONS[:6], *HEADERS[:4], *VALUES[:6], '{"password": "' + S + '"}'])
def test_keys_of_mappings_are_redacted_as_text(text: str) -> None:
    assert S not in json.dumps(redact({text: "", "outer": [{text: 1}]}))


def test_keys_that_become_the_same_are_numbered() -> None:
    shown = redact({"x://u:a@h": 1, "x://u:b@h": 2, "x://u:c@h": 3, 1: "a", "1": "b"})
    assert shown == {
        "x://[redacted]@h": 1, "x://[redacted]@h (2)": 2, "x://[redacted]@h (3)": 3, "1": "a", "1 (2)": "b",
    }  # fmt: skip


def test_other_notations_of_a_key_and_its_value_are_redacted_in_data() -> None:
    shown = redact(
        {
            "argv": ["mysqldump", "--password", S, "--host", "db", "--token", "--verbose"],
            "fields": [{"name": "password", "value": S}, {"name": "isbn", "value": 3}, {b"password": S}],
            "environment": {"PWD": "/srv", "PGPASSWORD": S},
        }
    )
    assert shown == {
        "argv": ["mysqldump", "--password", "[redacted]", "--host", "db", "--token", "--verbose"],
        "fields": [
            {"name": "password", "value": "[redacted]"}, {"name": "isbn", "value": 3}, {"password": "[redacted]"},
        ],
        "environment": {"PWD": "/srv", "PGPASSWORD": "[redacted]"},
    }  # fmt: skip


def test_traceback_after_an_open_quote_is_kept() -> None:
    text = "LINE 1: UPDATE t SET password = 'ab...\n             ^\n\nTraceback (most recent call last):\n  x = 'y'\n"
    assert redact_text(text) == text.replace("'ab...", "[redacted]")


REPETITIONS = [
    "password=", "password='", 'password="', "--password ", "password: ", "password => ", "password=(", "password=[",
    "password={'", '"password": ', "<password>", "<password></password ", "name='password' ", "value='x' ", "key:",
    'name="token", ', "Authorization: '", 'Authorization: "x" ', "Cookie: ", "%70", "%2570", "\\u0070", "\\", '\\"',
    "a-", "-", "--a", "x-", "password='\n", "PASSWORD '", "INTO t (password) VALUES (", "VALUES (1), ",
    "IDENTIFIED BY '",
    "PASSWORD FOR ", "ghp_", "eyJabcdef", "sk-", "gh", "----", "-----BEGIN PRIVATE KEY-----\nAAAA", "&quot;",
    "password&",
    "password,", "password=a,", "password=a&b", "password=a'b", "token = f(", "a.b.", "[[", "((", "{", "token='''",
    "-----END PRIVATE KEY-----", "root:x@", "-u a:", 'File "x", line 1\n    token = ', "token in (", "$$", "token $$",
    "Key (", 'constraint "', "Bearer ", "\n", " ", "passphrase=a b ", "key ", "name: ", "a=b;", "= ", "x:x",
]  # fmt: skip


@pytest.mark.usefixtures("limited_cpu_time")
def test_repetitive_texts_are_redacted_in_bounded_time() -> None:
    for unit in REPETITIONS:
        redact_text(unit * (60_000 // len(unit)))
