"""Groups: `Group`, which users hold.

It is put together from `facts` (its document and attributes), `members` (finding nodes) and `group` (changing them).
"""

from zarrpipe.group.group import Group
from zarrpipe.group.opening import beside_group, group_of, node_at

__all__ = ["Group", "beside_group", "group_of", "node_at"]
