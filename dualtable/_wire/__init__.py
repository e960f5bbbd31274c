"""Items and keys in the form that DynamoDB sends: what they are, and what a table takes of them.

Pure: nothing here waits, and nothing knows a table but by its layout.

In reading order:

- `types`: the shapes that pass between all rooms
- `codec`: plain Python values to the wire form and back, exactly
- `json`: JSON, and items of which most stays the JSON that it came as
- `values`: which values DynamoDB takes, and which are equal
- `paths`: where in an item something is, by names and positions
- `layouts`: the keys of a table and of its indexes
- `keys`: a key cut out of an item, checked, compared, shown
- `sizes`: bytes of an item, units of reading and writing it
- `costs`: what it costs to put an item, its indexes included
- `marks`: tombstone and write token, the two attributes that the library owns
- `differences`: what two items have otherwise, and a third one changed alike
- `items`: whatever a table would refuse about one item, found by name
- `lazy`: the dict that a callable transform is given, decoded where it is looked at
- `packed`: an item made ready to be sent, as JSON

May know: `errors`.
"""
