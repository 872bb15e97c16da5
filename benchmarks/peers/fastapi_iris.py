"""The Iris service by hand, as FastAPI's documentation teaches it: models for request and response, `def` for work that
computes, a dependency that checks the token."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

NAMES = ("I. setosa", "I. versicolor", "I. virginica")
SECRET = os.environ["IRIS_SECRET"]
CLASSIFIER: Any = pickle.loads(Path(os.environ["IRIS_MODEL"]).read_bytes())

app = FastAPI()


class Inputs(BaseModel):
    flower_data: list[float]


async def caller(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    """The name in the caller's token."""
    try:
        claims = jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Invalid token") from None
    return str(claims["sub"])


class Result(BaseModel):
    success: bool
    errorMessage: str  # noqa: N815 - the member's name in the API
    consoleOutput: str  # noqa: N815
    changedFiles: list[str]  # noqa: N815
    outputFiles: dict[str, str]  # noqa: N815
    outputParameters: dict[str, list[str]]  # noqa: N815


@app.post("/api/Iris/V1.0", dependencies=[Depends(caller)])
def iris(inputs: Inputs) -> Result:
    species = [NAMES[number] for number in CLASSIFIER.predict([inputs.flower_data])]
    return Result(
        success=True,
        errorMessage="",
        consoleOutput="",
        changedFiles=[],
        outputFiles={},
        outputParameters={"iris_species": species},
    )
