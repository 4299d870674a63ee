"""A generated company with an ERP of its own: the source of the demo, the tests and the benchmarks."""

from demo.company import Company, generate_company
from demo.load import load_company

__all__ = ["Company", "generate_company", "load_company"]
