"""The JSON Schema of a type, with the help that docstrings give."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python
from pydantic_core.core_schema import DataclassSchema

from seqlab.registry.docstrings import option_texts, summary_of


class SchemaWithHelp(GenerateJsonSchema):
    """Describes the keys of a dataclass with the `Args:` of its docstring."""

    def encode_default(self, dft: Any) -> Any:
        return to_jsonable_python(dft)  # the default of a component has no type that pydantic knows

    def dataclass_schema(self, schema: DataclassSchema) -> dict[str, Any]:
        described = super().dataclass_schema(schema)
        summary = summary_of(schema["cls"])
        if not summary.startswith(f"{schema['cls'].__name__}("):  # a docstring made by Python
            described["description"] = summary
        for name, text in option_texts(schema["cls"]).items():
            described["properties"].get(name, {}).setdefault("description", text)
        return described
