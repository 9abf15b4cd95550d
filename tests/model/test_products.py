"""The quickest kernel gives what the plain one gives."""

from __future__ import annotations

import time

import pytest
import torch
from torch.nn import functional

from seqlab import contiguous, linear, outer, product, product_dtype, steady_linear, tanh
from seqlab.model import kernels, products, steady

SIZES = [(1, 1, 1), (3, 5, 7), (128, 96, 130), (33, 256, 768)]  # N, K, M; the last two are large

every_kernel = pytest.mark.parametrize(
    "kernel", ["MKL is quick", "MKL is slow", "all are small"], indirect=True
)


@pytest.fixture(autouse=True)
def kernel(request, monkeypatch):
    """Have large products taken to be quick by one library or the other, or have none."""
    which = getattr(request, "param", "MKL is quick")
    smallest = float("inf") if which == "all are small" else 2**20
    monkeypatch.setattr(products, "ONEDNN_FROM", smallest)
    monkeypatch.setattr(steady, "LAID_OUT_FROM", smallest)
    monkeypatch.setattr(kernels, "mkl_is_quick", lambda: which == "MKL is quick")
    kernels.has_onednn_for.cache_clear()
    yield
    kernels.has_onednn_for.cache_clear()


def drawn(*shapes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


@every_kernel
@pytest.mark.parametrize(("rows", "inner", "columns"), SIZES)
def test_a_product_is_that_of_exact_numbers_to_rounding(rows, inner, columns, kernel):
    left, right, add = drawn((rows, inner), (inner, columns), (rows, columns))
    exact = left.double() @ right.double() + add
    bound = 1e-6 * (left.double().abs() @ right.double().abs() + add.abs())
    assert ((product(left, right, add) - exact).abs() <= bound).all()
    assert ((product(left, right) - (exact - add)).abs() <= bound).all()


@every_kernel
def test_a_matrix_may_be_given_transposed(kernel):
    left, right = drawn((128, 96), (130, 96))
    torch.testing.assert_close(product(left, right.t()), left @ right.t(), rtol=0, atol=2e-5)
    torch.testing.assert_close(product(left.t(), right[:128]), left.t() @ right[:128])


def part_of_a_matrix(rows, columns):
    return drawn((rows, 2 * columns))[0][:, :columns]


def repeated_row(rows, columns):
    return drawn((columns,))[0].expand(rows, columns)


@every_kernel
@pytest.mark.parametrize("strided", [part_of_a_matrix, repeated_row])
def test_a_matrix_that_is_not_dense_takes_no_longer_than_a_copy_of_it(strided, kernel):
    rows, matrix = drawn((512, 512))[0], strided(512, 512)
    took = []
    for given in (matrix.contiguous(), matrix):
        product(rows, given)
        begun = time.perf_counter()
        found = product(rows, given)
        took.append(time.perf_counter() - begun)
        torch.testing.assert_close(found, rows @ matrix, rtol=1e-4, atol=1e-3)
    assert took[1] < 20 * took[0] + 0.05  # the slow way takes 500 times as long


@every_kernel
def test_nothing_that_is_given_is_changed(kernel):
    given = drawn((128, 96), (96, 130), (128, 130))
    copies = [tensor.clone() for tensor in given]
    product(*given)
    assert all(map(torch.equal, given, copies))


@every_kernel
@pytest.mark.parametrize("sizes", [(80, 60), (60, 80)])
def test_outer_products_are_summed_over_the_rows_and_added(sizes, kernel):
    left, right, add = drawn(*((500, size) for size in sizes), sizes)
    sums = outer(left, right, torch.float32)
    torch.testing.assert_close(sums, left.t() @ right, rtol=0, atol=1e-4)
    torch.testing.assert_close(outer(left, right, torch.float32, sums), 2 * sums)
    torch.testing.assert_close(outer(left, right, torch.float32, add), sums + add)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 5), (127, 129), (300, 256), (256, 300), (768, 1024), (1100, 513)]
)
def test_contiguous_has_the_values_of_a_transposed_matrix_in_their_order(shape, dtype):
    (matrix,) = drawn(shape, dtype=dtype)
    for given in (matrix, matrix.t(), matrix[:, : shape[1] // 2], matrix[:1].expand(shape)):
        found = contiguous(given)
        assert found.equal(given)
        assert found.is_contiguous()


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tanh_is_torchs_to_rounding_and_may_be_written_in_place(dtype, quick, monkeypatch):
    monkeypatch.setattr(kernels, "mkl_is_quick", lambda: quick)
    values = torch.linspace(-100, 100, 2 * kernels.SHORT).to(dtype)
    wanted = values.tanh()
    tanh(values, out=values)
    torch.testing.assert_close(values, wanted, rtol=0, atol=2e-7)


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_product_whose_rows_are_aligned_is_the_product(dtype, kernel):
    left, right = drawn((40, 96), (96, 1027), dtype=dtype)
    found = products.aligned_product(left, right)
    torch.testing.assert_close(found, product(left, right))
    if dtype == torch.float32 and not products._suits_onednn(left, right):
        assert found.stride(0) * found.itemsize % products.LINE == 0


@every_kernel
def test_linear_has_the_values_and_gradients_of_torchs(kernel):
    found = []
    for function in (linear, functional.linear):
        given = [t.requires_grad_() for t in drawn((4, 32, 96), (130, 96), (130,))]
        outputs = function(*given)
        found.append([outputs, *torch.autograd.grad(outputs.sin().sum(), given)])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-4)


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 3, 128, 33])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_steady_linear_map_gives_what_torchs_gives_whatever_the_rows(
    rows, transposed, dtype, kernel
):
    weight, bias = drawn((300, 200), (300,), dtype=dtype)
    if transposed:  # a product of gradients has the rows of a weight as its columns
        weight = weight.t().contiguous().t()
    apply = steady_linear(weight, bias)
    for count in (rows, 128, rows):
        given, add = drawn((count, 200), (count, 300))
        wanted = functional.linear(given.to(dtype), weight, bias)
        close = (
            {"rtol": 2e-2, "atol": 0.3} if dtype == torch.bfloat16 else {"rtol": 0, "atol": 3e-4}
        )
        torch.testing.assert_close(apply(given), wanted, **close)
        total = add + torch.zeros_like(wanted)
        apply.add_to(total, given)
        torch.testing.assert_close(total, add + wanted, **close)


@pytest.mark.parametrize("size", [(512, 512), (1200, 512)])
def test_numpy_gets_no_product_that_its_blas_would_split_over_threads(size, monkeypatch):
    def refuse(rows):
        raise AssertionError(f"{len(rows)} rows went to numpy")

    (weight,) = drawn(size)
    apply = steady_linear(weight)
    monkeypatch.setattr(apply, "_by_numpy", refuse)
    for rows in range(1 + (weight.numel() <= steady.ONE_ROW), 20):
        (given,) = drawn((rows, 512))
        torch.testing.assert_close(apply(given), given @ weight.t(), rtol=1e-5, atol=1e-3)


@every_kernel
def test_a_steady_linear_map_adds_in_the_dtype_of_what_it_is_added_to(kernel):
    rows, weight, total = drawn((128, 200), (300, 200), (128, 300))
    total.fill_(1 + 2**-20)
    steady_linear(0 * weight.bfloat16()).add_to(total, rows)
    assert (total == 1 + 2**-20).all()


def test_infinities_pass_through_a_steady_linear_map_without_a_warning():
    weight = torch.full((4, 3), torch.inf)
    found = steady_linear(weight, -weight[:, 0])(torch.tensor([[1.0, 1.0, -1.0]]))
    assert found.isnan().all()


def test_linear_takes_a_vector_as_torchs_does():
    vector, weight, bias = drawn((4096,), (5000, 4096), (5000,))
    torch.testing.assert_close(
        linear(vector, weight, bias), functional.linear(vector, weight, bias)
    )


def test_linear_may_be_differentiated_twice(monkeypatch):
    monkeypatch.setattr(products, "_suits_onednn", lambda rows, matrix: rows.dim() > 1)
    monkeypatch.setattr(products, "product", lambda rows, matrix, add=None: rows @ matrix)
    given = [t.requires_grad_() for t in drawn((2, 3, 4), (5, 4), (5,), dtype=torch.float64)]
    assert torch.autograd.gradcheck(linear, given)
    assert torch.autograd.gradgradcheck(linear, given)


def test_products_are_computed_in_autocasts_dtype_but_never_doubles():
    weight = torch.ones(2, 2)
    assert product_dtype(weight) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(weight) == torch.bfloat16
        assert product_dtype(weight.double()) == torch.float64
        assert linear(weight, weight, weight[0]).dtype == torch.bfloat16


def test_few_rows_of_a_small_weight_stay_in_its_own_dtype_under_autocast():
    weight = torch.ones(64, 64)
    worth = products.WORTH_FEWER_DIGITS[products.mkl_is_quick()] // weight.numel()
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(weight, worth - 1) == torch.float32
        assert product_dtype(weight, worth) == torch.bfloat16


@pytest.mark.parametrize("rows", [0, 1, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_steady_linear_map_has_no_gradient_and_takes_no_rows_at_all(rows, dtype):
    weight, bias = drawn((30, 20), (30,), dtype=dtype)
    apply = steady_linear(weight.requires_grad_(), bias)
    found = apply(torch.ones(rows, 20, requires_grad=True))
    assert found.shape == (rows, 30)
    assert not found.requires_grad
    apply.add_to(total := torch.zeros(rows, 30), torch.ones(rows, 20, requires_grad=True))
    assert not total.requires_grad


def test_what_is_added_keeps_its_precision():
    add = torch.full((2, 2), 1 + 2**-20)
    found = product(torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bfloat16), add)
    assert found.equal(add)
