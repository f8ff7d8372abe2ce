"""The request `resolve`: a Hub id becomes a local snapshot folder."""

from .errors import WorkerError, first_line

CONFIG_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]


def resolve(request):
    """{"path": local folder} of a Hub id; safetensors are preferred, `.bin` files come only where there are none.

    Files of other frameworks are not fetched, the model's Python code only when it is trusted. kind environment when
    the network or the Hub fails, bad-input when there is no such model.
    """
    import os

    try:
        import huggingface_hub as hub
        from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
    except ImportError as error:
        raise WorkerError(
            "environment", f"python: cannot import huggingface_hub ({error}); run `pip install huggingface_hub`"
        ) from error
    name, revision, token = request["model"], request.get("revision"), request.get("token")
    if os.path.isdir(name):
        return {"path": os.path.abspath(name)}
    offline = bool(request.get("offline"))
    patterns = [*CONFIG_FILES, "*.safetensors"]
    try:
        if not offline:
            files = hub.HfApi(token=token).list_repo_files(name, revision=revision)
            if not any(f.endswith(".safetensors") for f in files):
                patterns.append("pytorch_model*.bin")
        else:
            patterns.append("pytorch_model*.bin")
        if request.get("trust_remote_code"):
            patterns.append("*.py")
        path = hub.snapshot_download(
            name, revision=revision, token=token, local_files_only=offline, allow_patterns=patterns,
            ignore_patterns=["onnx/*", "openvino/*", "*/openvino/*", "coreml/*", "original/*"],
        )  # fmt: skip
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise WorkerError(
            "bad-input", f"{name}: neither a folder here nor a model on the Hub ({first_line(error)}); check the name"
        ) from error
    except Exception as error:
        what = "is not in the local Hub cache" if offline else "cannot be fetched from the Hub"
        advice = "run once without --offline" if offline else "check the network, or give a local folder"
        raise WorkerError("environment", f"{name}: {what} ({first_line(error)}); {advice}") from error
    return {"path": path}
