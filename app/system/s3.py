"""Addresses of objects in S3 that any HTTP client can fetch."""


def signed_url(
    bucket: str, key: str, operation: str, *, endpoint: str = "", region: str, key_id: str = "", secret: str = ""
) -> str:
    """An address that allows one operation for an hour; unsigned where no key is found, as public buckets take it.

    Args:
        operation: of boto3's client, such as get_object; endpoint: of a store other than Amazon's.
        key_id, secret: empty for boto3's own search order.

    Raises ValueError where boto3 cannot make one; the message says why.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        session = boto3.session.Session(key_id or None, secret or None, region_name=region)
        config = Config(
            signature_version="s3v4" if session.get_credentials() else UNSIGNED,
            # As in the store for photos; `virtual` names the region's own host, which needs no redirect.
            s3={"addressing_style": "path" if endpoint else "virtual"},
        )
        client = session.client("s3", endpoint_url=endpoint or None, config=config)
        return str(client.generate_presigned_url(operation, {"Bucket": bucket, "Key": key}))
    except BotoCoreError as error:
        raise ValueError(str(error).rstrip(".")) from error
