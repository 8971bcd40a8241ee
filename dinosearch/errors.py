"""The exceptions of dinosearch, one tree; it decides no wording beyond the class, the raiser writes the sentence.

    DinosearchError                    base: the command line catches exactly this and exits with `exit_code`
      CollectionNotFoundError          no collection in this home
      CollectionMismatchError          the home was made with something else than what is asked for
        FormatVersionError             its format is newer than this dinosearch
        FingerprintMismatchError       its vectors are from another model, preprocessing or pooling
      HomeLockedError                  another process is writing to the home
      DamagedHomeError                 a stored file does not match its checksum
        NoVectorError                  an image has no sound vector (also a KeyError)
      ImageUnreadableError             one image cannot be decoded (carries `path` and `reason`)
      ImageNotFoundError               a query image, path or id that is not there
      UnknownCheckpointError           a model name that is not in the table
      WeightsUnavailableError          weights that are not here and cannot be fetched
      DamagedWeightsError              a weight file whose checksum or tensors are wrong
      SettingError                     a device, size or combination that cannot be used (also a ValueError)
      FilterError                      a --where expression that cannot be parsed or compiled
      ExportError                      an export folder that cannot be written or read
      DatasetError                     a benchmark data set, ground truth or descriptor file that is not as it should be
      ClusterError                     a Ray cluster that cannot be had, or that failed in the middle of a job
      ServerError                      a dinosearch server that does not answer, refuses, or fails (dinosearch.client)

Every message says what happened, why, and the next command to run, which `sentence` has as data (`dinosearch.advice`):
the command line completes it by the collection that was asked, a server leaves it out. A wrong argument type from
Python stays ValueError or TypeError; a bug keeps its traceback.
"""

from __future__ import annotations

from dinosearch.advice import Command, Named, Sentence, run


class DinosearchError(Exception):
    """Base of all errors that dinosearch raises on purpose; `exit_code` is what the command line exits with.

    Args:
        said: the sentence: text, and the commands to run next.
    """

    exit_code = 2

    def __init__(self, *said: str | Command) -> None:
        super().__init__(said[0] if len(said) == 1 else Sentence(*said))

    @property
    def sentence(self) -> Sentence:
        """What `str` gives, with its commands as data."""
        return Sentence(*self.args)

    def tell(self, collection: Named) -> None:
        """Have commands that name no collection be about this one, for who knows which was meant."""
        self.args = (self.sentence.about(collection),)


class CollectionNotFoundError(DinosearchError):
    """There is no collection in the home."""


class CollectionMismatchError(DinosearchError):
    """The home was made with something else than what is asked for."""


class FormatVersionError(CollectionMismatchError):
    """The home's format version is newer than this program understands."""


class FingerprintMismatchError(CollectionMismatchError):
    """The home's vectors come from another model, preprocessing or pooling than the one asked for."""


class HomeLockedError(DinosearchError):
    """Another process is writing to the home."""


class DamagedHomeError(DinosearchError):
    """A stored file is missing, truncated or does not match its checksum."""


class NoVectorError(DamagedHomeError, KeyError):
    """An id has no row: it was never given one, or its row is damaged; the only argument is the id."""

    _of: Named | None = None

    def __init__(self, image_id: int) -> None:
        Exception.__init__(self, image_id)

    def __str__(self) -> str:
        return str(self.sentence)

    @property
    def sentence(self) -> Sentence:
        """See `DinosearchError`."""
        return Sentence(
            f"id:{self.args[0]} has no sound vector; mend that with: ", run("verify", "--repair", of=self._of)
        )

    def tell(self, collection: Named) -> None:
        """See `DinosearchError`."""
        self._of = collection


class ImageUnreadableError(DinosearchError):
    """One image cannot be decoded.

    Attributes:
        path: what was to be read, as the user named it.
        reason: one short clause without the path, such as "truncated JPEG".
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: ", reason)
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageUnreadableError], tuple[str, str]]:
        return type(self), (self.path, self.reason)


class ImageNotFoundError(DinosearchError):
    """A query image, path or id that does not exist.

    Attributes:
        image_id: the id, where it was asked for by one.
        is_gone: whether a file, or a member of an archive, is not where it should be.
    """

    def __init__(self, *said: str | Command, image_id: int | None = None, is_gone: bool = False) -> None:
        super().__init__(*said)
        self.image_id, self.is_gone = image_id, is_gone


class UnknownCheckpointError(DinosearchError):
    """A model name that is not in the table of checkpoints."""


class WeightsUnavailableError(DinosearchError):
    """Weights that are not on this machine and cannot be fetched."""


class DamagedWeightsError(DinosearchError):
    """A weight file whose checksum, keys or shapes are wrong."""


class SettingError(DinosearchError, ValueError):
    """A device, number format, size or combination of query images that cannot be used here."""


class FilterError(DinosearchError):
    """A --where expression that cannot be parsed or compiled."""


class ExportError(DinosearchError):
    """An export folder that cannot be written or read."""


class DatasetError(DinosearchError):
    """A benchmark data set, ground-truth or descriptor file is missing, incomplete or not what it should be."""


class ClusterError(DinosearchError):
    """A Ray cluster does not answer, or lost what it could not make again."""


class ServerError(DinosearchError):
    """A dinosearch server does not answer, refuses what is asked, or fails."""
