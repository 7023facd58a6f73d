"""Credentials in addresses, such as `postgres://user:password@host`, and in the options of curl and of databases."""

import re

from observability.redaction.values import REDACTED

webhook = re.compile(r"(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)[\w/-]{8,256}")
# A password may contain @, and the password of a database also /. The path of a web address may contain both.
_web_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?:https?|wss?)://)[^\s/?#\"'<>]{0,2048}@")
_address = re.compile(r"(?ia)(?<![a-z0-9+.-])((?!https?:|wss?:)[a-z][a-z0-9+.-]{0,30}://)[^\s\"'<>]{0,2048}@")
_server = re.compile(
    r"(?ia)(?<![\w/:.+-])(\w[\w.-]{0,63}:)(?!/)[^\s:/@\"'<>]{1,256}@(?=[\w.-]{1,255}:\d|(?:tcp|unix)\()"
)
_network_path = re.compile(r"(?<![\w:/])(//)[^\s/?#\"'<>]{1,256}@")
# Programs whose option -p or -a is a password.
_short_option = re.compile(
    r"(?a)\b((?:mysql\w*|mariadb[\w-]*|sshpass)\b[^\n;|&]{0,256}?[\s'\"]-p|redis-cli\b[^\n;|&]{0,256}?[\s'\"]-a)"
    r"(['\", ]{0,4})(?!-|\[redacted)[^\s'\",\]]{1,256}"
)
_curl_user = re.compile(
    r"(?a)(?<![^\s'\"])((?:-u|--user|--proxy-user)[ =,'\"]{1,4}(?!\d+:\d+\b)[^\s:'\"]{1,128}:)[^\s'\"]{1,512}"
)


def redact_addresses(text: str) -> str:
    """Return the text without the credentials in addresses and in options of commands that connect to a server."""
    if "@" in text:
        text = _web_address.sub(rf"\1{REDACTED}@", text)
        text = _address.sub(rf"\1{REDACTED}@", text)
        text = _server.sub(rf"\1{REDACTED}@", text)
        text = _network_path.sub(rf"\1{REDACTED}@", text)
    if ".com/" in text:
        text = webhook.sub(rf"\1{REDACTED}", text)
    if "-u" in text or "-p" in text or "-a" in text:
        text = _curl_user.sub(rf"\1{REDACTED}", text)
        text = _short_option.sub(rf"\1\2{REDACTED}", text)
    return text
