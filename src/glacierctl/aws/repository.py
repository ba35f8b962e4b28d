"""The ECR repository: images by digest, kept as long as something names them."""

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glacierctl.aws import roles
from glacierctl.aws.errors import Conflict, NotFound, talking_about
from glacierctl.aws.names import MANAGED, Names
from glacierctl.aws.roles import Document
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import KEEP_TAG, RepositorySettings, keep_tag

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import ImageDetailTypeDef


@dataclass(frozen=True)
class Repository:
    """A repository that is there."""

    settings: RepositorySettings
    """What can be compared."""
    images: Mapping[str, frozenset[str]]
    """Tags by digest."""
    made_by_us: bool
    """Whether a deployment made it, rather than found it."""
    shared_with: tuple[str, ...] = ()
    """Other functions that were deployed from it."""

    def digest(self, tag: str) -> str | None:
        """Of the image that the tag names."""
        return next((digest for digest, tags in self.images.items() if tag in tags), None)

    def kept(self) -> frozenset[str]:
        """Digests that are marked to be kept."""
        return frozenset(digest for digest, tags in self.images.items() if keep_tag(digest) in tags)


@dataclass(frozen=True)
class Login:
    """For pushing to a registry; held in memory only, and valid for twelve hours."""

    host: str
    """Of the registry."""
    username: str
    """Always AWS."""
    password: str = field(repr=False)
    """A token, never to be written to disk."""


def read(aws: Aws, names: Names) -> Repository | None:
    """What the repository is like; None if there is none.

    Raises:
        AwsError: AWS does not let us look.
    """
    with talking_about(f"the repository {names.repository}"):
        try:
            with talking_about(f"the repository {names.repository}"):
                found = aws.ecr.describe_repositories(repositoryNames=[names.repository])["repositories"][0]
        except NotFound:
            return None
        tags = {
            tag["Key"]: tag.get("Value", "")
            for tag in aws.ecr.list_tags_for_resource(resourceArn=names.repository_arn)["tags"]
        }
        settings = RepositorySettings(
            immutable_tags=found.get("imageTagMutability") == "IMMUTABLE",
            scan_on_push=found.get("imageScanningConfiguration", {}).get("scanOnPush", False),
            lifecycle=_lifecycle(aws, names),
            policy=_policy(aws, names),
            managed=MANAGED in tags,
        )
        others = roles.others_pulling(names, settings.policy)
        return Repository(settings, _images(aws, names), tags.get(MANAGED) == "true", others)


def create(aws: Aws, names: Names, then: RepositorySettings) -> None:
    """Make the repository; one that appeared in the meantime is taken as it is."""
    with talking_about(f"the repository {names.repository}"):
        try:
            with talking_about(f"the repository {names.repository}"):
                aws.ecr.create_repository(
                    repositoryName=names.repository,
                    imageTagMutability="IMMUTABLE" if then.immutable_tags else "MUTABLE",
                    imageScanningConfiguration={"scanOnPush": then.scan_on_push},
                    tags=[{"Key": MANAGED, "Value": "true"}],
                )
        except Conflict:
            update(aws, names, then)
        else:
            _put_policies(aws, names, then)


def update(aws: Aws, names: Names, then: RepositorySettings) -> None:
    """Make the repository's settings those that are wanted."""
    with talking_about(f"the repository {names.repository}"):
        aws.ecr.put_image_tag_mutability(
            repositoryName=names.repository, imageTagMutability="IMMUTABLE" if then.immutable_tags else "MUTABLE"
        )
        aws.ecr.put_image_scanning_configuration(
            repositoryName=names.repository, imageScanningConfiguration={"scanOnPush": then.scan_on_push}
        )
        _put_policies(aws, names, then)
        now = read(aws, names)
        if now is not None and not now.settings.managed:
            aws.ecr.tag_resource(resourceArn=names.repository_arn, tags=[{"Key": MANAGED, "Value": "adopted"}])


def delete(aws: Aws, names: Names) -> None:
    """Remove the repository with all its images; if there is none, nothing happens."""
    try:
        with talking_about(f"the repository {names.repository}"):
            aws.ecr.delete_repository(repositoryName=names.repository, force=True)
    except NotFound:
        return


def leave(aws: Aws, names: Names) -> None:
    """Do not let Lambda pull for this function any more; the repository stays for others."""
    with talking_about(f"the policy of {names.repository}"):
        now = _policy(aws, names)
        if now is not None:
            then = json.dumps(roles.without_pulling(names, now))
            aws.ecr.set_repository_policy(repositoryName=names.repository, policyText=then)


def login(aws: Aws) -> Login:
    """A token to push with.

    Raises:
        Denied: the credentials may not log in to a registry.
    """
    with talking_about("the registry"):
        token = aws.ecr.get_authorization_token()["authorizationData"][0]
        username, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
        return Login(token["proxyEndpoint"].removeprefix("https://").removeprefix("http://"), username, password)


def find_image(aws: Aws, names: Names, reference: str) -> str:
    """Digest of an image of the repository, by its tag or digest.

    Raises:
        NotFound: it is not there, or no longer.
    """
    with talking_about(f"the image {names.repository}:{reference}"):
        by = {"imageDigest": reference} if reference.startswith("sha256:") else {"imageTag": reference}
        found = aws.ecr.describe_images(repositoryName=names.repository, imageIds=[by])["imageDetails"]  # type: ignore[list-item]
        return found[0]["imageDigest"]


def keep(aws: Aws, names: Names, digests: Collection[str]) -> None:
    """Mark these images as kept, those of them that are there."""
    with talking_about(f"the images of {names.repository}"):
        images = _images(aws, names)
        for digest in digests:
            if digest in images and keep_tag(digest) not in images[digest]:
                _tag(aws, names, digest)


def keep_only(aws: Aws, names: Names, digests: Collection[str], *, shared: bool = False) -> None:
    """Mark these images as kept and no others; an image whose only tag is the mark keeps it.

    Removing an image's last tag would remove the image. In a repository that is shared, no mark is taken off: it may be
    another function's.
    """
    keep(aws, names, digests)
    if shared:
        return
    with talking_about(f"the images of {names.repository}"):
        for digest, tags in _images(aws, names).items():
            marks = [tag for tag in tags if tag.startswith(KEEP_TAG)]
            if digest not in digests and marks and len(marks) < len(tags):
                aws.ecr.batch_delete_image(
                    repositoryName=names.repository, imageIds=[{"imageTag": mark} for mark in marks]
                )


def _tag(aws: Aws, names: Names, digest: str) -> None:
    found = aws.ecr.batch_get_image(repositoryName=names.repository, imageIds=[{"imageDigest": digest}])["images"]
    if not found:
        return  # it went in the meantime; there is nothing left to keep
    media_type = found[0].get("imageManifestMediaType")
    try:
        with talking_about(f"the image {digest} of {names.repository}"):
            aws.ecr.put_image(
                repositoryName=names.repository,
                imageManifest=found[0]["imageManifest"],
                imageTag=keep_tag(digest),
                imageDigest=digest,
                **({"imageManifestMediaType": media_type} if media_type else {}),
            )
    except Conflict:
        return  # another deploy has just done it; the tag can name only this image


def _images(aws: Aws, names: Names) -> dict[str, frozenset[str]]:
    pages = aws.ecr.get_paginator("describe_images").paginate(repositoryName=names.repository)
    details: list[ImageDetailTypeDef] = [detail for page in pages for detail in page["imageDetails"]]
    return {detail["imageDigest"]: frozenset(detail.get("imageTags", [])) for detail in details}


def _lifecycle(aws: Aws, names: Names) -> Document | None:
    try:
        with talking_about(f"the lifecycle of {names.repository}"):
            text = aws.ecr.get_lifecycle_policy(repositoryName=names.repository)["lifecyclePolicyText"]
    except NotFound:
        return None
    policy: Document = json.loads(text)
    return policy


def _policy(aws: Aws, names: Names) -> Document | None:
    try:
        with talking_about(f"the policy of {names.repository}"):
            text = aws.ecr.get_repository_policy(repositoryName=names.repository)["policyText"]
    except NotFound:
        return None
    policy: Document = json.loads(text)
    return policy


def _put_policies(aws: Aws, names: Names, then: RepositorySettings) -> None:
    aws.ecr.put_lifecycle_policy(repositoryName=names.repository, lifecyclePolicyText=json.dumps(then.lifecycle))
    # Another function's deploy may have written to it since it was read.
    policy = roles.repository_policy(names, _policy(aws, names))
    aws.ecr.set_repository_policy(repositoryName=names.repository, policyText=json.dumps(policy))
