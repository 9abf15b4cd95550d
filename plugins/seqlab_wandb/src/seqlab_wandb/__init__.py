"""The observer `wandb` of seqlab."""

from seqlab import Observer, hookimpl
from seqlab_wandb.observer import WeightsAndBiases

SEQLAB_API = 2


@hookimpl
def seqlab_register_observers() -> dict[str, type[Observer]]:
    return {"wandb": WeightsAndBiases}
