"""One section of an experiment in -> a component with its options, or complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seqlab.errors import Complaint, ExperimentError, PluginError
from seqlab.experiment.kinds import Kind
from seqlab.experiment.located import MAX_DEPTH, Located, Origin, locate, plain
from seqlab.experiment.yaml12 import dump_flow
from seqlab.factories import Part
from seqlab.registry.binding import Bound
from seqlab.registry.catalogue import NotFound, Registry
from seqlab.registry.option import Option
from seqlab.registry.option_values import check_options, suggest

MAX_PARTS = 1000  # a default may name itself


@dataclass
class SectionBinder:
    """Binds sections to components, and collects the complaints and notices about them."""

    registry: Registry
    complaints: list[Complaint] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    plugin_at_fault: bool = False
    parts: int = 0  # how many components were bound as options

    def complain(self, origin: Origin, key: str, message: str) -> None:
        self.complaints.append(Complaint(str(origin), key, message))

    def raise_complaints(self) -> None:
        """Raise ExperimentError if there is any complaint."""
        if self.complaints:
            raise ExperimentError(self.complaints, plugin_at_fault=self.plugin_at_fault)

    def bind(self, kind: Kind, key: str, section: Located) -> Bound | None:
        """Find the component that a section names and check its options; None: a complaint."""
        if isinstance(section.value, str):  # `kind: name` is short for `kind: {name: name}`
            section = Located({"name": section}, section.origin)
        if not isinstance(section.value, dict):
            self.complain(section.origin, key, "should be a name, or a mapping with a name")
            return None
        name = section.value.get("name")
        if name is None:
            self.complain(section.origin, key, f"needs a name{suggest('name', section.items)}")
            return None
        if not isinstance(name.value, str):
            self.complain(name.origin, f"{key}.name", "should be the name of a component")
            return None
        try:
            component = self.registry.find(kind.name, name.value)
        except NotFound as error:
            self.plugin_at_fault |= error.plugin_at_fault
            self.complain(name.origin, f"{key}.name", str(error))
            return None

        core = self.registry.core_options(kind)
        own = {k: item for k, item in section.items.items() if k not in {"name", *core}}
        part_keys = {} if key == kind.section.key else self._part_keys(kind, key, section)
        options = Located(own, section.origin)
        what = component.label
        try:
            checked = check_options(
                component.signature.options, options, key, what, self.bind_part, core
            )
        except PluginError as error:
            raise PluginError(f"plugin '{component.plugin}': {error}") from error
        self.complaints += checked.complaints
        self._report_dropped(kind, key, what, {name: own[name] for name in checked.dropped})
        return Bound(component, checked.values, section, key, part_keys)

    def _part_keys(self, kind: Kind, key: str, section: Located) -> dict[str, Any]:
        """Read the keys that the core reads in a component inside another one."""
        options, allowed = self.registry.core_options(kind), kind.section.inside
        written = {name: item for name, item in section.items.items() if name in options}
        for name in written.keys() - {*allowed}:
            message = f"belongs in the section `{kind.section.key}`, where it holds for all of it"
            self.complain(written[name].origin, f"{key}.{name}", message)
        own = Located({n: item for n, item in written.items() if n in allowed}, section.origin)
        inside = {name: options[name] for name in allowed if name in own.items}
        checked = check_options(inside, own, key, key, self.bind_part)
        self.complaints += checked.complaints
        return {name: value for name, value in checked.values.items() if value is not None}

    def bind_part(self, part: Part, written: Located, key: str) -> Bound | None:
        """Bind a component that an option names; `written` is empty if it is a default."""
        if written.value is None:
            written = locate(part.written, written.origin)
        self.parts += 1
        if self.parts > MAX_PARTS or key.count(".") > MAX_DEPTH:
            message = (
                f"has more than {MAX_PARTS} components, or nests deeper than {MAX_DEPTH} levels"
            )
            if self.parts <= MAX_PARTS + 1:
                self.complain(written.origin, f"{key[:40]}…", message)
            return None
        return self.bind(self.registry.kinds[part.kind], key, written)

    def _report_dropped(
        self, kind: Kind, key: str, what: str, dropped: Mapping[str, Located]
    ) -> None:
        """Options of another component: a notice, or a complaint if no component has such."""
        known = {name for c in self.registry.components(kind.name) for name in c.signature.options}
        for name, item in dropped.items():
            if name in known:
                self.notices.append(f"{key}.{name} is dropped: {what} has no such option")
            else:
                message = f"no {kind.name} has an option '{name}'{suggest(name, known)}"
                self.complain(item.origin, f"{key}.{name}", message)

    def core_keys(self, cls: type, section: Located | None, key: str) -> Any:
        """Read the keys in a component's section that the core reads itself."""
        options: Mapping[str, Option] = self.registry.signature_of(cls).options
        own = {k: item for k, item in (section.items if section else {}).items() if k in options}
        origin = section.origin if section else Origin("")
        checked = check_options(options, Located(own, origin), key, key, self.bind_part)
        self.complaints += checked.complaints
        for name, item in own.items():
            if item.kept and item.value is not None:
                self.notices.append(
                    f"{key}.{name}: {dump_flow(plain(item))} is kept, though {key} is another"
                    f" component now ({key}.{name}=null removes it)"
                )
        return cls() if checked.complaints else cls(**checked.values)
