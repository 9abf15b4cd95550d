import pytest
import torch

from seqlab import Dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_is_zeroed_and_the_rest_scaled_so_that_the_mean_stays(share):
    torch.manual_seed(0)
    values = Dropout(share)(torch.ones(1000, 1001))
    kept = values[values != 0]
    assert values.eq(0).double().mean().item() == pytest.approx(share, abs=2e-3)
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - share)), rtol=2e-4, atol=0)
    assert values.double().mean().item() == pytest.approx(1, abs=4e-3 / (1 - share))


def test_every_place_is_drawn_by_itself():
    torch.manual_seed(0)
    draws = torch.stack([Dropout(0.5)(torch.ones(13)) for _ in range(4000)]).gt(0).double()
    together = torch.corrcoef(draws.t()) - torch.eye(13)
    assert together.abs().max() < 0.08
    assert (draws.mean(0) - 0.5).abs().max() < 0.05


def test_the_gradient_passes_where_the_value_did():
    torch.manual_seed(0)
    values = torch.randn(7, 5, 3, dtype=torch.float64, requires_grad=True)
    outputs = Dropout(0.4)(values)
    outputs.sum().backward()
    torch.testing.assert_close(values.grad * values.detach(), outputs.detach())


def test_the_seed_decides_the_mask_whatever_the_dtype():
    masks = []
    for dtype in (torch.float32, torch.bfloat16, torch.float32):
        torch.manual_seed(3)
        masks.append(Dropout(0.3)(torch.ones(50, 50, dtype=dtype)) != 0)
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])
    assert not torch.equal(masks[0], Dropout(0.3)(torch.ones(50, 50)) != 0)


@pytest.mark.parametrize(("share", "mode"), [(0.0, "train"), (0.5, "eval")])
def test_nothing_is_dropped_without_a_share_or_outside_training(share, mode):
    values = torch.randn(5, 5)
    assert torch.equal(getattr(Dropout(share), mode)()(values), values)


@pytest.mark.parametrize("share", [1.0, 1 - 1e-7])
def test_of_a_share_of_one_nothing_is_left(share):
    torch.manual_seed(0)
    assert Dropout(share)(torch.ones(400, 400)).count_nonzero() == 0


def test_a_share_near_one_and_no_values_are_no_special_cases():
    torch.manual_seed(0)
    assert Dropout(1 - 1e-9)(torch.ones(100)).isfinite().all()
    assert Dropout(0.5)(torch.ones(0, 4)).shape == (0, 4)
