"""Groups: `Group`, which users hold.

It is put together from `facts` (its document and attributes), `members` (finding nodes), `creating` (new ones) and
`group` (the rest). `opening` makes groups of what was found in a store.
"""

from zarrpipe.group.group import Group
from zarrpipe.group.opening import beside_group, group_of, node_at

__all__ = ["Group", "beside_group", "group_of", "node_at"]
