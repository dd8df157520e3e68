"""The fingerprint of any value: equal for equal content, in every process.

Never a false hit: what has no content to compare raises `Unfingerprintable`.
"""

from nborch.cache import fingerprint_code, fingerprint_values
from nborch.cache.fingerprint_arrays import encoder_of_numpy, overlaps
from nborch.cache.fingerprint_arrow import encoder_of_arrow
from nborch.cache.fingerprint_frames import encoder_of_pandas, encoder_of_polars
from nborch.cache.fingerprint_objects import encoder_of_objects
from nborch.cache.fingerprint_walk import Encoder, Encoders, Entangled, Walk

__all__ = ["fingerprint"]

_BY_TYPE: dict[type, Encoder] = {
    **fingerprint_values.ENCODERS,
    **fingerprint_code.ENCODERS,
}
#: Each looks only at libraries that are loaded.
_BY_LIBRARY = (encoder_of_numpy, encoder_of_pandas, encoder_of_polars, encoder_of_arrow)


def fingerprint(value: object) -> str:
    """Return 32 hex digits that two values share only if their content is the same.

    >>> fingerprint([1, 2]) == fingerprint([1, 2])
    True
    >>> fingerprint([1, 2]) == fingerprint((1, 2))
    False
    >>> fingerprint({"b", "a"}) == fingerprint({"a", "b"})
    True
    """
    try:
        return Walk(_ENCODERS).run(value).hex()
    except Entangled:
        return Walk(_ENCODERS, accelerate=False).run(value).hex()


def _encoder_of(kind: type) -> Encoder:
    known = _BY_TYPE.get(kind)
    if known is not None:
        return known
    if issubclass(kind, type):
        return fingerprint_code.encode_class
    for find in _BY_LIBRARY:
        encoder = find(kind)
        if encoder is not None:
            return encoder
    return encoder_of_objects(kind)


def _finish(walk: Walk) -> None:
    if len(walk.arrays) > 1:
        walk.write(overlaps(walk))


_ENCODERS = Encoders(_encoder_of, fingerprint_code.encode_body, _finish)
