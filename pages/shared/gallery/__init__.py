"""The gallery of Metrics and Grad-CAM: filters, a page of tiles, many images chosen, one image large, files to take away.

Every choice is a widget bound to the URL, so a link restores the view. It knows a run's scores, not how they were made.
"""

from pages.shared.gallery.choosing import choose
from pages.shared.gallery.filtering import filters
from pages.shared.gallery.opening import detail
from pages.shared.gallery.taking import exports
from pages.shared.gallery.tiling import Page, legend, pager, tiles
from pages.shared.gallery.view import ANY, CELLS, COLUMNS, View

__all__ = ["ANY", "CELLS", "COLUMNS", "Page", "View", "choose", "detail", "exports", "filters", "legend", "pager", "tiles"]
