"""Send a model folder to the Hugging Face Hub. Nothing else of training touches the network.

python -m train.publish runs/finetune_decoder/model name/model
"""

from __future__ import annotations

import argparse
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError  # of the HTTP library under it, which depends on the version
from huggingface_hub.utils import validate_repo_id

FAILURES = (HTTPError, OSError, ValueError)


def make_repository(repository: str, private: bool) -> None:
    """Make the repository if it is not there: what is wrong with name or token shows before hours of training.

    Raises:
        ValueError: if the Hub says no, or is out of reach.
    """
    try:
        validate_repo_id(repository)
        HfApi().create_repo(repository, private=private, exist_ok=True)
    except FAILURES as error:
        raise ValueError(
            f"Expected the Hub to accept {repository!r}, received: {_first_line(error)}. Run `hf auth login` with a "
            "token that may write, correct hub.repository (--push_to_hub), or leave it out and publish later."
        ) from error


def publish(model_folder: Path, repository: str, private: bool) -> str:
    """Upload a model folder with its card. Returns the address of the commit.

    Raises:
        ValueError: if it did not arrive; the folder stays where it is.
    """
    make_repository(repository, private)
    try:
        done = HfApi().upload_folder(
            repo_id=repository, folder_path=model_folder, commit_message="Model written by DiffusionAct's training"
        )
    except FAILURES as error:
        raise ValueError(
            f"Expected {str(model_folder)!r} to arrive at {repository!r}, received: {_first_line(error)}. The folder "
            f"is complete; try again with `python -m train.publish {model_folder} {repository}`."
        ) from error
    return done.commit_url


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def main() -> None:
    """Read the command line and publish."""
    parser = argparse.ArgumentParser(prog="python -m train.publish", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("repository", help="such as name/model")
    parser.add_argument("--public", action="store_true", help="a new repository is private without this")
    options = parser.parse_args()
    if not (options.model / "README.md").is_file():
        parser.error(
            f"Expected a model folder with its card README.md, received {str(options.model)!r}. Check the path."
        )
    try:
        print(publish(options.model, options.repository, private=not options.public))
    except ValueError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
