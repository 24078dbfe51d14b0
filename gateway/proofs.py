"""What this gateway signs for consumers: receipts and passes. Every gateway signs the same bytes.

All claims come from the log and both signatures are deterministic, so it does not matter who is asked, or how often.
"""

from gateway import told
from gateway.pass_keys import PassKeys, claims_of
from protocol.events import Holding
from protocol.path_replica import PathReplica
from protocol.sessions import Receipt, sign_receipt


class Proofs:
    """Signs in the name of the deployment."""

    def __init__(self, keys: PassKeys, session_key: bytes, issuer: str) -> None:
        self._keys = keys
        self._session_key = session_key
        self._issuer = issuer

    def receipt(self, consumer: bytes, experience: str, holding: Holding) -> str:
        """Proof of the ticket for any gateway."""
        receipt = Receipt(consumer, experience, holding.path, holding.ticket, holding.hats)
        return sign_receipt(receipt, self._session_key)

    def pass_of(self, consumer: bytes, experience: str, path: PathReplica, holding: Holding) -> str:
        """The pass of an admission of ``path``. Raises PassKeysError when the key that the log names is not here."""
        window = path.windows[holding.ticket]
        claims = claims_of(
            self._issuer,
            experience,
            holding.path,
            consumer=consumer,
            admission=holding.admission,
            admitted_at=holding.admitted_at,
            expires_at=holding.expires_at,
            variant=window.variant,
            price=told.price(path, window.price),
        )
        return self._keys.sign(claims, holding.kid)
