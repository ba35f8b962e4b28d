"""A function that is a Zip package becomes one that runs an image. Lambda knows no such change, so it is made anew.

In this order: code and record are kept, event sources are paused, the function is deleted; the image takes its place
under its name, has to answer, and gets what hung on the old one. If it cannot, the old one is put back. The record says
what is left to do, so whoever comes after an interruption completes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from glacierctl.aws import (
    backup,
    carrying,
    function,
    function_update,
    log_group,
    package,
    smoke,
    surroundings,
    versions,
)
from glacierctl.aws.backup import Backup, Download, Phase
from glacierctl.aws.carrying import PASSING, Target
from glacierctl.aws.clock import Clock
from glacierctl.aws.conversion_words import carried, lost
from glacierctl.aws.errors import AwsError, NotFound, talking_about
from glacierctl.aws.function_update import Waiting
from glacierctl.aws.keeping import kept
from glacierctl.aws.names import Names
from glacierctl.aws.package import Package
from glacierctl.aws.session import Aws
from glacierctl.aws.surroundings import Surroundings
from glacierctl.aws.wanted import Wanted


@dataclass(frozen=True)
class Conversion:
    """What a conversion would keep, or has still to do."""

    carried: tuple[str, ...]
    """What is carried over, in words."""
    lost: tuple[str, ...]
    """What cannot be, and why."""
    interrupted: bool
    """Whether one was begun and not completed: the old function is gone already."""
    folder: Path
    """Where the old function is kept, or will be."""


def find(aws: Aws, wanted: Wanted, backup_folder: Path) -> Conversion | None:
    """Whether there is anything to convert, or to complete; nothing is changed.

    Args:
        aws: the account.
        wanted: what the deployment shall be.
        backup_folder: where functions are kept.

    Raises:
        AwsError: AWS does not let us look, or the backup cannot be read.
    """
    names = wanted.names
    saved = backup.load(backup_folder, names)
    there = package.read(aws, names)
    place = backup.place(backup_folder, names)
    if there is not None and not there[0].is_image:
        hanging = surroundings.read(aws, names)
        old, interrupted = there[0], False
    elif saved is not None:
        old, hanging, interrupted = saved.package, saved.surroundings, True
    else:
        return None
    return Conversion(tuple(carried(old, hanging, wanted)), tuple(lost(old, hanging, wanted)), interrupted, place)


def convert(
    aws: Aws,
    wanted: Wanted,
    backup_folder: Path,
    *,
    beat: Callable[[], None],
    download: Download,
    clock: Clock,
    say: Callable[[str], None],
) -> tuple[str, ...]:
    """Convert the function, or complete what was begun; what could not be carried over that should be, and why.

    Args:
        aws: the account.
        wanted: what the deployment shall be, the image with its digest.
        backup_folder: where functions are kept.
        beat: called between steps and while something is waited for; raises if somebody else has taken over.
        download: fetches the function's code.
        clock: for waiting.
        say: told what is done, before it is done, and what could not be carried over.

    Raises:
        AwsError: it could not be converted, and is as it was.
        Unreachable, ExpiredCredentials, ...: it was interrupted; the same command completes it.
    """
    converting = _Converting(aws, wanted, backup_folder, Waiting(aws, clock, beat), say)
    beat()
    there = package.read(aws, wanted.names)
    if there is not None and not there[0].is_image:
        converting.take_away(*there, download, beat)
    converting.replace()
    return tuple(converting.failed)


@dataclass(frozen=True)
class _Converting:
    aws: Aws
    wanted: Wanted
    folder: Path
    waiting: Waiting
    say: Callable[[str], None]
    failed: list[str] = field(default_factory=list)

    @property
    def names(self) -> Names:
        return self.wanted.names

    def take_away(self, old: Package, location: str, download: Download, beat: Callable[[], None]) -> None:
        """Keep the function, then delete it."""
        aws, names = self.aws, self.names
        hanging = self._hanging(old)
        self.say(f"Keeping {names.function} in {backup.place(self.folder, names)}")
        code = backup.fetch_code(self.folder, names, old, location, download)
        package.stage(aws, names, code)
        package.require_restorable(aws, names, old, code, self.waiting)
        backup.save(self.folder, names, Backup(Phase.CONVERTING, old, hanging))
        if hanging.retention_days is not None and hanging.retention_days != self.wanted.log_retention_days:
            log_group.keep_retention(aws, names, hanging.retention_days)
        beat()
        carrying.pause(aws, names, hanging, self.waiting)
        beat()
        self.say(f"Deleting the Zip function {names.function}")
        self._delete()

    def replace(self) -> None:
        """Put the image in its place, or the old one back."""
        saved = self._saved()
        try:
            version = self._make_image(saved)
        except PASSING:
            raise
        except AwsError as error:
            self._put_back(saved)
            raise AwsError(
                f"{self.names.function} could not be converted, and is the Zip package that it was",
                why=str(error),
                hint=error.hint,
            ) from error
        self.say(f"Carrying over what hung on {self.names.function}")
        self._carry(saved, kept(saved.surroundings, self.wanted), version)

    def _hanging(self, old: Package) -> Surroundings:
        """What hangs on the function, and what did before an earlier attempt took it off."""
        saved = backup.load(self.folder, self.names)
        if saved is not None and saved.phase is Phase.RESTORING and saved.package.code_hash == old.code_hash:
            self.say(f"Completing the return of {self.names.function}")
            self._carry(saved, saved.surroundings, self._publish(""))
            saved = None
        found = surroundings.read(self.aws, self.names)
        if saved is None:
            return found
        ran = {one["UUID"] for one in saved.surroundings.mappings if one["Enabled"]}
        mappings = tuple({**one, "Enabled": one["Enabled"] or one["UUID"] in ran} for one in found.mappings)
        return replace(found, mappings=mappings)

    def _saved(self) -> Backup:
        saved = backup.load(self.folder, self.names)
        assert saved is not None, "a conversion begins with its backup"
        return saved

    def _make_image(self, saved: Backup) -> str:
        """The image under the function's name, published, and answering."""
        aws, names, wanted = self.aws, self.names, self.wanted
        then = wanted.function()
        then = replace(then, environment={**saved.package.environment, **then.environment})
        now = function.read(aws, names)
        if now is None:
            self.say(f"Creating the function {names.function}")
            function_update.create(aws, names, then, self.waiting)
        else:
            function_update.update(aws, names, now, then, self.waiting)
        more = package.extras(saved.package) if saved.package.role_arn == wanted.role_arn else {}
        if more:
            with talking_about(f"the function {names.function}"):
                aws.functions.update_function_configuration(FunctionName=names.function, **more)
            function_update.wait(aws, names, self.waiting)
        version = self._publish(wanted.version_description)
        self.say(f"Asking version {version} whether it works")
        self.waiting.patiently(lambda: smoke.ask(aws, names, int(version), expected=wanted.version))
        return version

    def _publish(self, description: str) -> str:
        number = versions.publish(self.aws, self.names, "", description)
        function_update.wait(self.aws, self.names, self.waiting, str(number))
        return str(number)

    def _put_back(self, saved: Backup) -> None:
        """Make the old function anew, with all that hung on it."""
        aws, names = self.aws, self.names
        self.say(f"Putting the Zip function {names.function} back")
        backup.save(self.folder, names, replace(saved, phase=Phase.RESTORING))
        self._delete()
        code = backup.code_file(self.folder, names, saved.package)
        try:
            package.restore(aws, names, saved.package, code, self.waiting)
        except AwsError as error:
            raise AwsError(
                f"{names.function} could neither be converted nor put back",
                why=str(error),
                hint=f"Its code is {code}, what hung on it is written beside. {error.hint}",
            ) from error
        self._carry(saved, saved.surroundings, self._publish(""))

    def _carry(self, saved: Backup, hanging: Surroundings, version: str) -> None:
        if saved.package.tags:
            with talking_about(f"the function {self.names.function}"):
                self.aws.functions.tag_resource(Resource=self.names.function_arn, Tags=dict(saved.package.tags))
        target = Target(self.aws, self.names, version, self.waiting)
        carrying.carry(target, hanging)
        for one in target.failed:
            self.say(f"Not carried over: {one}")
        self.failed.extend(target.failed)
        backup.finish(self.folder, self.names, saved)

    def _delete(self) -> None:
        """Delete the function and wait until its name is free."""
        aws, names = self.aws, self.names

        def is_gone() -> bool:
            try:
                with talking_about(f"the function {names.function}"):
                    aws.functions.delete_function(FunctionName=names.function)
            except NotFound:
                return True
            return package.read(aws, names) is None

        self.waiting.until(is_gone)
