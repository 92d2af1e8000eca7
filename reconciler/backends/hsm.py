"""A key in a PKCS#11 token: a hardware security module, a smart card, or SoftHSM. The key never leaves it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import BackendError, Denied, Unavailable

if TYPE_CHECKING:  # an extra: only who has an HSM needs it
    import pkcs11

_NONCE_BYTES = 12
_TAG_BITS = 128
_EDWARDS25519 = b"\x13\x0cedwards25519"  # the curve's name as PKCS#11 wants it: a PrintableString in DER
_PUBLIC_BYTES = 32
_SESSIONS = threading.Lock()  # a module may be opened once a process, and few are safe in threads
_REFUSED: set[tuple[str, str, str]] = set()
"""Module, token and PIN that do not go together. Tokens lock themselves for good after a few wrong PINs, so none is tried twice."""


class Hsm(NamedTuple):
    """One key, found by the labels of its token and of itself. `module` is the path of the maker's library."""

    module: str
    token: str
    key: str
    pin: str

    def __repr__(self) -> str:
        return f"Hsm({self.module}, {self.token}/{self.key})"

    def encrypt(self, content: bytes, bound: bytes) -> bytes:
        """AES-GCM with a nonce of the token's own. `bound` is authenticated with it. Raises BackendError."""
        from pkcs11 import GCMParams, Mechanism

        with self._key() as (session, key):
            nonce = session.generate_random(_NONCE_BYTES * 8)
            sealed = key.encrypt(content, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, bound, _TAG_BITS))
        return bytes(nonce) + bytes(sealed)

    def decrypt(self, sealed: bytes, bound: bytes) -> bytes:
        """The content again. Raises BackendError."""
        from pkcs11 import GCMParams, Mechanism

        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        with self._key() as (_, key):
            return bytes(key.decrypt(rest, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, bound, _TAG_BITS)))

    def make_key(self) -> None:
        """Make the key in the token, so that it can neither be read nor taken away. Raises BackendError."""
        from pkcs11 import Attribute, KeyType

        never_out = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        with self._session(writing=True) as session:
            session.generate_key(KeyType.AES, 256, label=self.key, store=True, template=never_out)

    def sign(self, content: bytes) -> bytes:
        """A signature by Ed25519, of 64 bytes. Raises BackendError."""
        from pkcs11 import KeyType, Mechanism, ObjectClass

        with self._session() as session:
            key: Any = session.get_key(object_class=ObjectClass.PRIVATE_KEY, key_type=KeyType.EC_EDWARDS, label=self.key)
            return bytes(key.sign(content, mechanism=Mechanism.EDDSA))

    def public_key(self) -> bytes:
        """The public half of the key that signs, of 32 bytes. Raises BackendError."""
        from pkcs11 import Attribute, KeyType, ObjectClass

        with self._session() as session:
            key = session.get_key(object_class=ObjectClass.PUBLIC_KEY, key_type=KeyType.EC_EDWARDS, label=self.key)
            # A point in DER, or as it is: the makers of tokens differ.
            return bytes(key[Attribute.EC_POINT])[-_PUBLIC_BYTES:]

    def make_signing_key(self) -> None:
        """Make a pair of Ed25519 keys in the token, so that the private one can neither be read nor taken away. Raises BackendError."""
        from pkcs11 import Attribute, KeyType, Mechanism

        never_out = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        with self._session(writing=True) as session:
            curve = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _EDWARDS25519}, local=True)
            curve.generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label=self.key, private_template=never_out)

    @contextmanager
    def _key(self) -> Iterator[tuple[pkcs11.Session, Any]]:  # which keys can encrypt is known at run time only
        from pkcs11 import KeyType, ObjectClass

        with self._session() as session:
            yield session, session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, label=self.key)

    @contextmanager
    def _session(self, *, writing: bool = False) -> Iterator[pkcs11.Session]:
        where = f"the HSM's token {self.token!r}"
        try:
            import pkcs11
            from pkcs11 import exceptions as raised
        except ImportError:
            raise BackendError("the package python-pkcs11 is needed for an HSM (pip install 'reconciler[hsm]')", path=self.module) from None
        told = f"{where} does not take the PIN (it is not tried again, or the token would lock itself: correct it and start anew)"
        with _SESSIONS:
            if (self.module, self.token, self.pin) in _REFUSED:
                raise Denied(told, path=self.token, capability="login")
            try:
                library = pkcs11.lib(self.module)
            except (raised.PKCS11Error, RuntimeError):
                raise BackendError(f"{self.module} is not a PKCS#11 module (check the path)", path=self.module) from None
            try:
                token = library.get_token(token_label=self.token)
                with token.open(rw=writing, user_pin=self.pin) as session:
                    yield session
            except (raised.PinIncorrect, raised.PinInvalid, raised.PinLenRange, raised.PinLocked):
                _REFUSED.add((self.module, self.token, self.pin))
                raise Denied(told, path=self.token, capability="login") from None
            except raised.NoSuchToken:
                raise Unavailable(f"{where} is not there (check its label, and that the device is connected)", path=self.token) from None
            except raised.NoSuchKey:
                raise BackendError(f"{where} holds no key {self.key!r} of the right type that the PIN opens", path=self.key) from None
            except raised.PKCS11Error as error:
                raise BackendError(f"{where}: {type(error).__name__}", path=self.token) from None
