"""An evaluation as a self-explanatory page: ``results.json`` for programs, ``report.html`` for people."""

from personsearch.measure.report.page import REPORT_FILE, RESULTS_FILE, require_libraries, write_report

__all__ = ["REPORT_FILE", "RESULTS_FILE", "require_libraries", "write_report"]
