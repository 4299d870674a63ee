-- What the user makes belongs to the role, whoever logs in.
ALTER ROLE {{ login }} IN DATABASE {{ database }} SET role = '{{ role }}'
