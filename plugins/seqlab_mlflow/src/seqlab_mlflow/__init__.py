"""The observer `mlflow` of seqlab."""

from seqlab import Observer, hookimpl
from seqlab_mlflow.observer import MLflow

SEQLAB_API = 2


@hookimpl
def seqlab_register_observers() -> dict[str, type[Observer]]:
    return {"mlflow": MLflow}
